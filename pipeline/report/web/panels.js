"use strict";
/* What stands beside a page: its text block by block, and the document's summary, answers and failures. */
folioscope.panels = (() => {
  const { h, link, memory, text, transfer } = folioscope;

  const FLAGS = {
    blank: "Nothing is written here.",
    no_words: "There is something to see, but no words were found.",
    turned: "The page lay on its side or head and was turned upright.",
    unread_script: "No reader here knows this script: see the failures.",
    no_letters: "What was read holds no letters.",
    low_confidence: "The reader was not sure of its words.",
    garbled_layer: "The text layer's letters are shifted or lost; the picture was read instead.",
    hidden_ocr: "The text layer comes from an older OCR; the picture was read instead.",
    layout_timeout: "The page holds too much to be laid out in time; its text was ordered by simple rules.",
    comments: "People have written comments onto the page; they are blocks of their own.",
    attachments: "Other files lie inside this one; they are not read.",
    xfa: "The form is made by a program inside the file; what its pages show may be a stand-in.",
    cut_off: "The model's answer was cut off before its end.",
    loop: "The model began to repeat itself and was stopped.",
    invented: "Many of the model's words do not stand on the page, as a second reader has it.",
    omitted: "Many words of the page are not in the model's text.",
    figure_mismatch: "A number in the model's text is not the one on the page.",
    unchecked: "No second reader could check the model's words.",
  };
  const SOURCES = { text_layer: "Text layer", model: "Read from the picture", none: "No text" };

  const REFERENCES = { text_layer: "Checked by its text layer", ocr: "Checked by OCR", ocr_detection: "Only its lines were checked", none: "Checked by nobody" };

  /** A share as a bar, in another colour below `low` or above `high`. */
  function meter(name, value, low, high = 1) {
    if (value === null || value === undefined) return null;
    const bar = h("i");
    bar.style.width = `${Math.round(100 * value)}%`;
    return h("span", { class: `meter${value < low || value > high ? " low" : ""}` }, h("span", { text: name }), h("span", { class: "meter-line", "aria-hidden": "true" }, bar), h("b", { text: text.percent(value) }));
  }

  /** How a segment was read and how far it can be trusted. */
  function trust(head, whole) {
    return h("div", { class: "trust" },
      h("span", { text: SOURCES[head.source] || head.source, title: whole.model }),
      head.language ? h("span", { text: `Language ${head.language}` }) : null,
      meter("Confidence", head.confidence, 0.8),
      meter("Layer agreement", head.agreement, 0.9),
      head.reference ? h("span", { text: REFERENCES[head.reference] || head.reference, title: "The second reader, with whom the model's words were compared" }) : null,
      meter("Supported", head.support, 0.97),
      meter("Left out", head.omitted, 0, 0.03),
      ...head.flags.map((flag) => h("span", { class: "flag" }, h("b", { text: text.capital(flag) }), FLAGS[flag] ? ` ${FLAGS[flag]}` : "")));
  }

  function times(block) {
    if (block.start === null) return null;
    const until = block.end !== null && block.end - block.start >= 1 ? ` – ${text.clock(block.end)}` : "";
    return h("span", { class: "block-time", text: `${text.clock(block.start)}${until}` });
  }

  /** What the marks in a text mean, where there are any. */
  function doubted(whole) {
    const words = whole.blocks.reduce((sum, block) => sum + text.unsupportedWords(block), 0);
    return words ? h("p", { class: "key faint" }, h("mark", { class: "unsupported", text: text.many(words, "word") }), " of the model's text that the second reader did not find on the page.") : "";
  }

  /** Passages that stand on the page and not in the text. */
  function leftOut(whole) {
    return whole.omissions.length ? h("section", { class: "left-out" }, h("h2", { text: "On the page, and not in the text" }), h("ul", {}, ...whole.omissions.map((found) => h("li", { dir: "auto", text: found.text })))) : "";
  }

  /** The text of one segment. `onpoint` and `onpick` tell which block is meant. */
  function reading({ onpoint, onpick }) {
    const root = h("div", { class: "reading" });
    let elements = [];
    let at = 0;

    function focus(index) {
      elements[at]?.setAttribute("tabindex", "-1");
      at = Math.min(Math.max(index, 0), elements.length - 1);
      elements[at].setAttribute("tabindex", "0");
      elements[at].focus();
    }

    function keys(event) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        focus(at + step);
      } else if (event.key === "Enter") onpick(at);
    }

    return {
      root,
      show(asset, head, whole, isFound) {
        const isSource = memory.get("source", "no") === "yes";
        const swap = h("button", { type: "button", class: "quiet small", "aria-pressed": String(isSource), text: "Markdown", onclick: () => {
          memory.set("source", isSource ? "no" : "yes");
          this.show(asset, head, whole, isFound);
        } });
        at = 0;
        elements = isSource ? [] : whole.blocks.map((block, index) => {
          const unsure = block.doubts.length > 0 || (block.confidence !== null && block.confidence < 0.8);
          const told = block.language ? ` (${block.language})` : "";
          const doubts = block.doubts.length ? `, not to be believed: ${block.doubts.join(", ").replaceAll("_", " ")}` : "";
          const support = block.support !== null && block.support < 1 ? `, ${text.percent(block.support)} supported` : "";
          const sure = `${told}${support}${block.confidence === null ? "" : `, ${text.percent(block.confidence)} sure`}${doubts}`;
          const found = isFound && block.text.split(/[^\p{L}\p{N}]+/u).some((word) => word && isFound(word));
          const element = h("li", { class: `block kind-${block.kind}${unsure ? " unsure" : ""}${block.unsupported.length ? " doubted" : ""}${found ? " found" : ""}`, tabindex: index ? "-1" : "0", data: { index },
            onpointerenter: () => onpoint(index), onpointerleave: () => onpoint(null), onfocus: () => onpoint(index),
            onclick: () => {
              if (!String(getSelection())) onpick(index);
            } },
          h("span", { class: "block-kind", text: `${text.capital(block.kind)}${sure}` }), times(block), text.block(block, block.unsupported));
          const table = element.querySelector(".table");
          if (table) table.after(transfer.button("Table as CSV", "Download this table as CSV", () => transfer.download(`${transfer.stem(asset.uris[0])}-${head.n}-table-${index + 1}.csv`, "text/csv", transfer.csv(transfer.cells(table)))));
          return element;
        });
        const body = isSource ? h("pre", { class: "source", tabindex: "0", dir: "auto", text: whole.text })
          : elements.length ? h("ol", { class: "blocks", onkeydown: keys }, ...elements)
            : h("p", { class: "empty", text: whole.text || "No text was read here." });
        const tools = h("div", { class: "reading-tools" },
          asset.older.numbers.includes(head.n) ? h("a", { class: "quiet small", href: link(`versions/${asset.id}`, { page: head.n }), text: "Earlier reading", title: "This and the earlier reading side by side" }) : null,
          transfer.button("Copy", "Copy this text as Markdown", (button) => transfer.copy(whole.text, button)), swap);
        root.replaceChildren(h("div", { class: "reading-head" }, trust(head, whole), tools),
          whole.caption ? h("p", { class: "caption" }, h("b", { text: "What it shows" }), ` ${whole.caption}`) : "", doubted(whole), body, isSource ? "" : leftOut(whole));
      },
      light(index, bring) {
        for (const element of elements) element.classList.toggle("lit", Number(element.dataset.index) === index);
        if (bring && index !== null) elements[index]?.scrollIntoView({ block: "nearest" });
      },
    };
  }

  /** A link to the place that a statement rests on. `query` is what the document view makes of it. */
  function proof(asset, item, query, here) {
    const where = item.page !== null ? `Page ${item.page}` : item.start !== null ? text.clock(item.start) : "The document";
    const seal = item.verified
      ? h("span", { class: "seal yes", title: item.repaired ? "Put right to the words that stand in that place" : "The quote stands in the text of that place", text: item.repaired ? "verified, repaired" : "verified" })
      : item.by
        ? h("span", { class: "seal no", title: "The quote stands in what a model read there; no second reader confirms it", text: "quoted" })
        : h("span", { class: "seal no", title: "The quote was not found in the text of that place", text: "not found" });
    return h("a", { class: "proof-link", href: link(`doc/${asset.id}`, query), "aria-current": here ? "true" : null },
      h("span", { class: "proof-where", text: where }), seal, h("q", { dir: "auto", text: item.quote }));
  }

  function summary(asset, query) {
    const { summary: given } = asset;
    if (!given) return h("p", { class: "empty", text: "No summary was asked for, or none could be made." });
    const how = given.method === "extractive" ? `Words of the ${["video", "audio"].includes(asset.kind) ? "video" : "document"} itself` : "Written by the model";
    return h("div", { class: "prose" },
      h("p", { class: "faint", text: `${how} · ${given.model}` }),
      ...(given.text ? given.text.split(/\n{2,}/).map((part) => h("p", { class: "summary", dir: "auto" }, ...text.inline(part))) : [h("p", { class: "empty", text: "The file holds too little text for a summary." })]),
      given.points.length ? h("h2", { text: "Key points" }) : null,
      ...given.points.map((point, number) => h("div", { class: "point" },
        point.evidence.some((item) => item.quote === point.text) ? null : h("p", {}, ...text.inline(point.text)),
        ...point.evidence.map((item, index) => proof(asset, item, { point: number, e: index }, query.point === String(number) && (query.e || "0") === String(index))))),
      given.chapters.length ? h("h2", { text: "Chapters" }) : null,
      ...given.chapters.map((chapter) => h("a", { class: "chapter-link", href: link(`doc/${asset.id}`, { t: chapter.start }) }, h("b", { text: text.clock(chapter.start) }), ` ${chapter.title}`)));
  }

  function answers(asset, query) {
    if (!asset.answers.length) return h("p", { class: "empty", text: "No questions were asked of this file. Give --questions to the job." });
    const sorted = [...asset.answers].sort((a, b) => b.answerable - a.answerable || (b.score || 0) - (a.score || 0));
    return h("div", { class: "prose" }, ...sorted.map((answer) => h("section", { class: `answer${answer.answerable ? "" : " not"}` },
      h("h2", { text: answer.question }),
      h("p", { class: "answer-text", dir: "auto", text: answer.answerable ? answer.answer || "" : "The file does not say." }),
      answer.answerable && answer.score !== null ? h("p", { class: "faint" }, meter("Trust", answer.score, 0.5)) : null,
      ...answer.evidence.map((item, index) => proof(asset, item, { answer: answer.question_id, e: index }, query.answer === answer.question_id && (query.e || "0") === String(index))),
      answer.reasoning ? h("details", {}, h("summary", { text: "Reasoning" }), h("p", { class: "reasoning", text: answer.reasoning })) : null)));
  }

  /** What failed: all of it, or that of one page or shot. */
  function failures(asset, segment = null) {
    const shown = Number.isInteger(segment) ? asset.failures.filter((failure) => failure.segment === segment) : asset.failures;
    return h("div", { class: "prose" }, ...shown.map((failure) => h("section", { class: "trouble" },
      h("h2", { text: `${text.capital(failure.reason)}${failure.segment ? `, ${["video", "audio"].includes(asset.kind) ? "shot" : "page"} ${failure.segment}` : ""}` }),
      h("p", { class: "faint", text: `Stage ${failure.stage}` }),
      h("p", { class: "breaks", text: failure.message }),
      failure.text_salvaged ? h("details", {}, h("summary", { text: "Text that was salvaged" }), h("pre", { class: "source", tabindex: "0", text: failure.text_salvaged })) : null)));
  }

  function file(asset, _query, site) {
    const address = transfer.original(asset, null);
    const tools = h("div", { class: "tools" },
      address ? h("a", { class: "quiet small", href: address, target: "_blank", rel: "noopener", text: "Open the original" }) : transfer.button("Copy the path", "Copy where the file lies", (button) => transfer.copy(asset.uris[0], button)),
      transfer.button("Download as Markdown", "All that was read of this file", async () => transfer.download(`${transfer.stem(asset.uris[0])}.md`, "text/markdown", await transfer.markdown(asset, site))));
    const rows = [
      ["Paths", h("ul", { class: "paths" }, ...asset.uris.map((uri) => h("li", { class: "breaks", text: uri })))],
      ["Title", asset.title], ["SHA-256", asset.id], ["State", `${asset.status}${asset.reason ? ` (${text.words(asset.reason)})` : ""}`],
      ["Size", asset.size === null ? null : text.bytes(asset.size)], ["Changed", asset.modified_at && text.moment(asset.modified_at)],
      ["Pages", asset.page_count], ["Length", asset.duration_s && text.clock(asset.duration_s)], ["Shots", asset.shot_count],
      ["Frame", asset.width_px && asset.height_px && `${asset.width_px} × ${asset.height_px}`], ["Frames a second", asset.fps && asset.fps.toFixed(2)],
      ["Codec", asset.codec && [asset.codec, asset.container].filter(Boolean).join(" in ")], ["Sound", asset.has_audio === null ? null : asset.has_audio ? "yes" : "no"],
    ].filter(([, value]) => value !== null && value !== undefined && value !== "");
    return h("div", {}, tools, h("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [h("dt", { text: name }), typeof value === "object" ? h("dd", {}, value) : h("dd", { class: "breaks", text: value })])));
  }

  return { reading, summary, answers, failures, file, meter };
})();
