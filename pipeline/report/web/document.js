"use strict";
/* A document or a video: its pages or shots, the picture of one, and beside it what was read, said and answered. */
(() => {
  const { h, load, link, list, sheet, panels, timeline, text, transfer, folder } = folioscope;

  /** The block that a piece of evidence lies in, where it has no box of its own. */
  function boxOf(item, blocks) {
    if (item.box) return item.box;
    const plain = (words) => words.replace(/<[^<>]*>/g, " ").replace(/\s+/g, " ").trim().toLowerCase();
    const quote = plain(item.quote);
    return (quote && blocks.find((block) => block.box && plain(block.text).includes(quote))?.box) || null;
  }

  class DocumentView {
    constructor(main, site, asset) {
      Object.assign(this, { site, asset, isVideo: ["video", "audio"].includes(asset.kind), drawn: null, tab: null, query: {} });
      this.noun = this.isVideo ? "Shot" : "Page";
      this.numbers = this.numbered();
      this.sheet = sheet({ onpoint: (index) => this.light(index, true), onpick: (index) => this.pick(index) });
      this.reading = panels.reading({ onpoint: (index) => this.light(index, false), onpick: (index) => this.pick(index) });
      this.strip = h("div", { class: "strip", tabindex: "-1" });
      this.pages = list({ label: `${this.noun}s`, height: this.isVideo ? 96 : 132, box: this.strip, row: (index) => this.stripRow(index) });
      this.strip.append(this.pages.root);
      this.panel = h("div", { class: "panel-body", id: "panel", role: "tabpanel", tabindex: "0" });
      const end = Math.max(asset.duration_s || 0, ...asset.segments.map((segment) => segment.end || 0));
      this.timeline = this.isVideo && end > 0 ? timeline(asset, end, (seconds) => this.go({ t: Math.round(seconds * 10) / 10 }, true)) : null;
      main.replaceChildren(this.frame());
      this.pages.show(this.numbers.length);
    }

    /** Segments that were read, and those given up, in order. */
    numbered() {
      const heads = new Map(this.asset.segments.map((head, at) => [head.n, { head, at }]));
      const all = new Set([...heads.keys(), ...this.asset.failures.map((failure) => failure.segment).filter(Boolean)]);
      return [...all].sort((a, b) => a - b).map((n) => ({ n, ...(heads.get(n) || { head: null, at: -1 }) }));
    }

    frame() {
      const { asset } = this;
      const extent = this.isVideo ? [asset.duration_s && text.clock(asset.duration_s), text.many(asset.segments.length, "shot")] : [text.many(asset.page_count || asset.segments.length, "page")];
      const models = asset.summary?.model || "";
      this.select = h("select", { "aria-label": `${this.noun} to show`, onchange: () => this.go({ page: this.select.value }) },
        ...this.numbers.map(({ n, head }) => h("option", { value: n, text: head ? `${this.noun} ${n}` : `${this.noun} ${n} (failed)` })));
      const step = (by, name, sign) => h("button", { type: "button", class: "quiet", "aria-label": name, text: sign, onclick: () => this.step(by) });
      const boxes = h("button", { type: "button", class: "quiet small", "aria-pressed": String(!this.sheet.root.classList.contains("bare")), text: "Boxes", title: "Show or hide the boxes (b)", onclick: () => this.boxes() });
      this.boxesButton = boxes;
      this.zoomed = h("output", { class: "zoomed", title: "Of the size at which it was read" });
      const zoom = (by, name, sign) => h("button", { type: "button", class: "quiet", "aria-label": name, text: sign, onclick: () => this.zoom(by) });
      this.blurred = h("p", { class: "blurred faint", hidden: true });
      this.original = h("a", { class: "quiet small", target: "_blank", rel: "noopener", text: "Original", hidden: true });
      this.tabs = this.makeTabs();
      return h("div", { class: `document${this.isVideo ? " video" : ""}` },
        h("div", { class: "document-head" },
          h("a", { class: "back", href: "#/", text: "Archive" }),
          h("h1", { text: text.name(asset.uris[0]), title: asset.uris[0] }),
          h("p", { class: "document-facts" }, folioscope.state(asset.status), ...[...extent, asset.size === null ? null : text.bytes(asset.size), models].filter(Boolean).map((words) => h("span", { text: words })), asset.title ? h("span", { class: "document-title", text: asset.title }) : null)),
        this.timeline?.root || "",
        h("div", { class: "document-body" },
          this.numbers.length > 1 ? this.strip : "",
          h("section", { class: "stage", "aria-label": this.noun },
            h("div", { class: "stage-bar" }, step(-1, `${this.noun} before`, "‹"), this.select, step(1, `Next ${this.noun.toLowerCase()}`, "›"), h("span", { class: "grow" }), zoom(-1, "Smaller", "−"), this.zoomed, zoom(1, "Larger", "+"), this.original, boxes),
            this.blurred, this.sheet.root),
          h("section", { class: "panel", "aria-label": "About it" }, h("div", { class: "tabs", role: "tablist", "aria-label": "What to show", onkeydown: (event) => this.tabKeys(event) }, ...Object.values(this.tabs)), this.panel)));
    }

    makeTabs() {
      const { asset } = this;
      const answered = asset.answers.filter((answer) => answer.answerable).length;
      const names = { text: this.isVideo ? "On screen" : "Text", summary: "Summary", answers: `Answers${asset.answers.length ? ` ${answered}/${asset.answers.length}` : ""}` };
      if (asset.failures.length) names.failures = `Failures ${asset.failures.length}`;
      names.file = "File";
      return Object.fromEntries(Object.entries(names).map(([name, label]) => [name,
        h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel", "aria-selected": "false", tabindex: "-1", text: label, onclick: () => this.open(name) })]));
    }

    tabKeys(event) {
      const names = Object.keys(this.tabs);
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const next = names[(names.indexOf(this.tab) + step + names.length) % names.length];
      this.open(next);
      this.tabs[next].focus();
    }

    open(name) {
      this.tab = name;
      for (const [other, tab] of Object.entries(this.tabs)) {
        tab.setAttribute("aria-selected", String(other === name));
        tab.tabIndex = other === name ? 0 : -1;
      }
      this.panel.setAttribute("aria-labelledby", `tab-${name}`);
      this.panel.replaceChildren(name === "text" ? this.reading.root : panels[name](this.asset, this.query, this.site));
      this.panel.scrollTop = 0;
      this.panel.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    }

    stripRow(index) {
      const { n, head } = this.numbers[index];
      const { asset } = this;
      const marks = head ? (head.flags.some((flag) => flag !== "blank") || (head.confidence !== null && head.confidence < 0.8) ? "flagged" : "") : "given-up";
      const picture = head?.picture
        ? h("img", { src: `${folder}/doc/${asset.id.slice(0, 2)}/${asset.id}/${n}.webp`, alt: "", loading: "lazy", decoding: "async" })
        : h("span", { class: "blank" });
      const label = this.isVideo && head ? text.clock(head.start) : String(n);
      return h("a", { class: `leaf ${marks}`, href: link(`doc/${asset.id}`, { page: n }), "aria-label": `${this.noun} ${n}${marks ? `, ${marks.replace("-", " ")}` : ""}`, "aria-current": n === this.drawn ? "true" : null },
        picture, h("span", { text: label }));
    }

    /** What a query means: which page, which light. */
    aim(query) {
      const evidence = query.answer !== undefined ? this.asset.answers.find((answer) => answer.question_id === query.answer)?.evidence
        : query.point !== undefined ? this.asset.summary?.points[Number(query.point)]?.evidence : null;
      const item = evidence?.[Number(query.e || 0)] || null;
      const seconds = query.t !== undefined ? Number(query.t) : item && item.start !== null ? item.start : null;
      let n = item?.page ?? (query.page ? Number(query.page) : null);
      if (seconds !== null) n = this.at(seconds)?.n ?? n;
      const known = this.numbers.find((entry) => entry.n === n) || this.numbers[0] || null;
      return { entry: known, item, seconds: seconds ?? known?.head?.start ?? 0 };
    }

    at(seconds) {
      const { segments } = this.asset;
      return segments.find((shot) => shot.start <= seconds && seconds < shot.end) || segments.findLast((shot) => shot.start <= seconds) || segments[0];
    }

    async update(query) {
      this.query = query;
      const { entry, item, seconds } = this.aim(query);
      const tab = query.answer !== undefined ? "answers" : query.point !== undefined ? "summary" : query.page || query.t || query.words ? this.tab || "text" : this.tab || (entry ? "text" : this.asset.failures.length ? "failures" : "file");
      if (!entry) return this.open(tab);
      const { n, head, at } = entry;
      const size = this.site.segments_a_piece;
      const whole = head ? (await load(`doc/${this.asset.id.slice(0, 2)}/${this.asset.id}/part/${Math.floor(at / size)}`))[at % size] : null;
      if (this.query !== query) return undefined; // another page was asked for meanwhile
      this.drawn = n;
      this.select.value = String(n);
      this.sheet.show(this.asset, head, whole || { blocks: [], omissions: [] }, `${this.noun.toLowerCase()} ${n}`);
      this.zoom(0);
      const address = transfer.original(this.asset, head);
      this.original.hidden = !address;
      if (address) this.original.href = address;
      this.original.title = `Open the file itself at this ${this.noun.toLowerCase()}`;
      if (whole) this.reading.show(this.asset, head, whole, query.words ? folioscope.search.matcher(query.words, this.site, head.language) : null);
      else this.reading.root.replaceChildren(panels.failures(this.asset, n));
      this.timeline?.show(seconds, head);
      const index = this.numbers.indexOf(entry);
      this.pages.reveal(index);
      this.pages.show(this.numbers.length);
      this.open(tab);
      if (item && whole) this.sheet.spot(boxOf(item, whole.blocks));
      else if (query.words && whole) this.showFound(whole);
      folioscope.tell(`${this.noun} ${n}`);
      return undefined;
    }

    showFound(whole) {
      const isFound = folioscope.search.matcher(this.query.words || "", this.site);
      whole.blocks.forEach((block, index) => {
        if (block.text.split(/[^\p{L}\p{N}]+/u).some((word) => word && isFound(word))) this.sheet.paper.querySelector(`.box[data-index="${index}"]`)?.classList.add("found");
      });
      this.panel.querySelector(".block.found")?.scrollIntoView({ block: "nearest" });
    }

    light(index, bring) {
      this.sheet.light(index);
      this.reading.light(index, bring && this.tab === "text");
    }

    pick(index) {
      if (this.tab !== "text") this.open("text");
      this.sheet.spot(null);
      this.light(index, true);
      this.sheet.paper.querySelector(`.box[data-index="${index}"]`)?.scrollIntoView({ block: "nearest" });
    }

    step(by) {
      const next = this.numbers[this.numbers.findIndex(({ n }) => n === this.drawn) + by];
      if (next) this.go({ page: next.n });
    }

    go(query, replacing = false) {
      const target = link(`doc/${this.asset.id}`, query);
      if (replacing) location.replace(target);
      else location.hash = target;
    }

    /** One step larger or smaller; the words say how large against the size at which the page was read. */
    zoom(by) {
      this.zoomed.value = this.sheet.zoom(by);
      this.sheet.blurred().then((words) => {
        this.blurred.hidden = !words;
        this.blurred.textContent = words || "";
      });
    }

    boxes() {
      this.boxesButton.setAttribute("aria-pressed", String(this.sheet.toggle()));
    }

    key(event) {
      const does = { ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), k: () => this.step(-1), j: () => this.step(1), b: () => this.boxes(), "+": () => this.zoom(1), "-": () => this.zoom(-1), Escape: () => this.sheet.spot(null) }[event.key];
      if (does) {
        event.preventDefault();
        does();
      }
    }

    close() {
      this.pages.close();
    }
  }

  folioscope.views.doc = async (main, site, [id], query) => {
    if (!/^[0-9a-f]{64}$/.test(id || "")) throw new folioscope.Missing("There is no such document in this report.");
    const asset = await load(`doc/${id.slice(0, 2)}/${id}/head`);
    const view = new DocumentView(main, site, asset);
    document.title = `${text.name(asset.uris[0])} · Folioscope`;
    await view.update(query);
    return view;
  };
})();
