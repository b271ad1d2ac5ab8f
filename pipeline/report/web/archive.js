"use strict";
/* The archive: what there is, how each file stands, filtered and sorted in the page. */
(() => {
  const { h, load, link, folder, list, text, transfer, bounds } = folioscope;
  const STATES = ["done", "partial", "failed", "pending", "skipped"];
  const ORDERS = {
    path: ["Path", (a, b) => (a.uri < b.uri ? -1 : a.uri > b.uri ? 1 : 0)],
    pages: ["Most pages", (a, b) => (b.page_count || b.shot_count || 0) - (a.page_count || a.shot_count || 0)],
    confidence: ["Least sure", (a, b) => (a.confidence ?? 2) - (b.confidence ?? 2)],
    flagged: ["Most flags", (a, b) => b.flagged - a.flagged],
    size: ["Largest", (a, b) => (b.size || 0) - (a.size || 0)],
  };

  const state = (status) => h("span", { class: `state ${status}`, text: status });

  function picture(file) {
    if (file.picture === null || !file.asset_id) return h("span", { class: `still none ${file.kind || "other"}`, "aria-hidden": "true" });
    const image = h("img", { src: `${folder}/doc/${file.asset_id.slice(0, 2)}/${file.asset_id}/${file.picture}.webp`, alt: "", loading: "lazy", decoding: "async" });
    return h("span", { class: `still ${file.kind}` }, image);
  }

  function extent(file) {
    if (["video", "audio"].includes(file.kind)) return [file.duration_s ? text.clock(file.duration_s) : null, file.shot_count ? text.many(file.shot_count, "shot") : null];
    return [file.page_count ? text.many(file.page_count, "page") : null, file.size === null ? null : text.bytes(file.size)];
  }

  function fileRow(file, reasons) {
    const isFailure = reasons.has(file.reason);
    const href = file.asset_id && file.kind ? link(`doc/${file.asset_id}`) : isFailure ? link("failures", { reason: file.reason }) : null;
    const about = file.summary || (file.reason ? text.capital(file.reason) : file.title || "");
    const marks = [
      file.flagged ? h("span", { class: "mark-flag", title: `${["video", "audio"].includes(file.kind) ? "Shots" : "Pages"} with flags`, text: text.many(file.flagged, "flag") }) : null,
      file.confidence !== null ? h("span", { class: file.confidence < 0.8 ? "warn" : "", title: "Mean confidence of the reading", text: `${text.percent(file.confidence)} sure` }) : null,
      file.answered ? h("span", { text: text.many(file.answered, "answer") }) : null,
    ].filter(Boolean);
    return h(href ? "a" : "div", { class: "file", href, title: file.uri },
      picture(file),
      h("span", { class: "file-main" },
        h("span", { class: "file-name", text: text.name(file.uri) }),
        h("span", { class: "file-place", text: text.place(file.uri) }),
        h("span", { class: "file-about", dir: "auto", text: about })),
      h("span", { class: "file-facts" }, ...extent(file).filter(Boolean).map((words) => h("span", { text: words }))),
      h("span", { class: "file-marks" }, ...marks),
      state(file.status));
  }

  function figures(site) {
    const tile = (value, name, href) => h(href ? "a" : "div", { class: "tile", href }, h("b", { text: value }), h("span", { text: name }));
    const answered = site.questions.reduce((sum, question) => sum + question.count, 0);
    const verified = site.questions.reduce((sum, question) => sum + question.verified, 0);
    return h("div", { class: "tiles" },
      tile(text.count(site.shown), site.shown < site.files ? `of ${text.count(site.files)} files shown` : "files"),
      tile(text.count(site.segments), "pages and shots read"),
      tile(text.count(answered), answered ? `answers, ${text.count(verified)} verified` : "answers", "#/answers"),
      tile(text.count(site.failures), site.failures === 1 ? "failure" : "failures", "#/failures"));
  }

  const COLUMNS = ["uri", "status", "reason", "kind", "page_count", "shot_count", "duration_s", "size", "title", "language", "confidence", "flagged", "answered", "asset_id"];

  folioscope.views.archive = async (main, site, _path, query) => {
    const chosen = { words: (query.words || "").toLowerCase(), status: STATES.includes(query.status) ? query.status : null, kind: query.kind || "", order: Object.hasOwn(ORDERS, query.order) ? query.order : "path" };
    /** The filters stand in the address, so that what is shown can be sent to someone. */
    const keep = () => history.replaceState(null, "", link("", { words: chosen.words.trim(), status: chosen.status, kind: chosen.kind, order: chosen.order === "path" ? null : chosen.order }));
    const bar = h("div", { class: "states-bar", "aria-hidden": "true" }, ...STATES.filter((name) => site.statuses[name]).map((name) => {
      const part = h("span", { class: name });
      part.style.flexGrow = String(site.statuses[name]);
      return part;
    }));
    const chips = STATES.filter((name) => site.statuses[name]).map((name) =>
      h("button", { type: "button", class: `chip ${name}`, "aria-pressed": String(chosen.status === name), onclick: (event) => {
        chosen.status = chosen.status === name ? null : name;
        for (const chip of chips) chip.setAttribute("aria-pressed", String(chip === event.currentTarget && chosen.status === name));
        keep();
        show();
      } }, h("i", { "aria-hidden": "true" }), `${name} `, h("b", { text: text.count(site.statuses[name]) })));
    const words = h("input", { type: "search", placeholder: "Filter by name", "aria-label": "Filter by name", value: query.words, oninput: () => {
      chosen.words = words.value.toLowerCase();
      keep();
      show();
    } });
    const kind = h("select", { "aria-label": "Kind of file", onchange: () => {
      chosen.kind = kind.value;
      keep();
      show();
    } }, h("option", { value: "", text: "All kinds" }), ...Object.keys(site.kinds).map((name) => h("option", { value: name, selected: name === chosen.kind, text: `${name} (${text.count(site.kinds[name])})` })));
    const order = h("select", { "aria-label": "Order", onchange: () => {
      chosen.order = order.value;
      keep();
      show();
    } }, ...Object.entries(ORDERS).map(([name, [label]]) => h("option", { value: name, selected: name === chosen.order, text: label })));
    const note = h("p", { class: "faint note" });
    const reasons = new Set(site.reasons.map((reason) => reason.reason));
    const files = [];
    let seen = [];
    const rows = list({ label: "Files", height: 84, row: (index) => seen[index] && fileRow(seen[index], reasons) });
    const nothing = h("div", { class: "empty", hidden: true });
    main.replaceChildren(h("div", { class: "page" },
      h("div", { class: "hero" },
        h("div", {}, h("h1", { text: "Archive" }), h("p", { class: "faint breaks", text: `${site.output} · run ${site.run_id} · report of ${text.moment(site.generated_at)}` })),
        figures(site)),
      bar,
      bounds.line(site.bound),
      h("div", { class: "tools" }, h("div", { class: "chips", role: "group", "aria-label": "State" }, ...chips), words, kind, order, transfer.button("CSV", "Download the files shown as CSV", () => transfer.download("files.csv", "text/csv", transfer.csv([COLUMNS, ...seen.map((file) => COLUMNS.map((name) => file[name]))])))),
      note, nothing, rows.root));

    function show() {
      const named = chosen.words.trim();
      seen = files.filter((file) =>
        (!chosen.status || file.status === chosen.status) &&
        (!chosen.kind || (file.kind || "other") === chosen.kind) &&
        (!named || file.uri.toLowerCase().includes(named) || (file.title || "").toLowerCase().includes(named)));
      if (chosen.order !== "path") seen.sort(ORDERS[chosen.order][1]);
      note.textContent = seen.length === site.shown ? "" : `${text.count(seen.length)} of ${text.many(site.shown, "file")}`;
      nothing.hidden = seen.length > 0 || files.length < site.shown;
      nothing.replaceChildren(h("h2", { text: site.shown ? "No file fits" : "The archive is empty" }),
        h("p", { text: site.shown ? "Take a filter away to see more." : "The run found no files under its inputs." }));
      rows.show(seen.length);
    }

    show();
    const parts = Math.ceil(site.shown / site.rows_a_piece);
    (async () => {
      for (let part = 0; part < parts && rows.root.isConnected; part += 1) {
        files.push(...(await load(`assets/${part}`)));
        show();
      }
    })().catch(folioscope.fail);
    return { close: rows.close };
  };

  folioscope.state = state;
})();
