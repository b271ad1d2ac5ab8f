"use strict";
/* What stands beside a page: its text block by block, and the document's summary, answers and failures. */
folioscope.panels = (() => {
  const { h, link, memory, text } = folioscope;

  const FLAGS = {
    blank: "Nothing stands on the page.",
    no_words: "There is something to see, but no words were found.",
    turned: "The page lay on its side or head and was turned upright.",
    low_confidence: "The reader was not sure of its words.",
    garbled_layer: "The text layer's letters are shifted or lost; the picture was read instead.",
    hidden_ocr: "The text layer comes from an older OCR; the picture was read instead.",
    cut_off: "The model's answer was cut off before its end.",
    loop: "The model began to repeat itself and was stopped.",
    invented: "Many of the model's words do not stand in the page's text layer.",
    omitted: "Many words of the page's text layer are not in the model's text.",
  };
  const SOURCES = { text_layer: "Text layer", model: "Read from the picture", none: "No text" };

  function meter(name, value, low) {
    if (value === null || value === undefined) return null;
    const bar = h("i");
    bar.style.width = `${Math.round(100 * value)}%`;
    return h("span", { class: `meter${value < low ? " low" : ""}` }, h("span", { text: name }), h("span", { class: "meter-line", "aria-hidden": "true" }, bar), h("b", { text: text.percent(value) }));
  }

  /** How a segment was read and how far it can be trusted. */
  function trust(head, whole) {
    return h("div", { class: "trust" },
      h("span", { text: SOURCES[head.source] || head.source, title: whole.model }),
      head.language ? h("span", { text: `Language ${head.language}` }) : null,
      meter("Confidence", head.confidence, 0.8),
      meter("Layer agreement", head.agreement, 0.9),
      ...head.flags.map((flag) => h("span", { class: "flag" }, h("b", { text: text.capital(flag) }), FLAGS[flag] ? ` ${FLAGS[flag]}` : "")));
  }

  function times(block) {
    if (block.start === null) return null;
    const until = block.end !== null && block.end - block.start >= 1 ? ` – ${text.clock(block.end)}` : "";
    return h("span", { class: "block-time", text: `${text.clock(block.start)}${until}` });
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
      show(head, whole, isFound) {
        const isSource = memory.get("source", "no") === "yes";
        const swap = h("button", { type: "button", class: "quiet small", "aria-pressed": String(isSource), text: "Markdown", onclick: () => {
          memory.set("source", isSource ? "no" : "yes");
          this.show(head, whole, isFound);
        } });
        at = 0;
        elements = isSource ? [] : whole.blocks.map((block, index) => {
          const unsure = block.confidence !== null && block.confidence < 0.8;
          const sure = block.confidence === null ? "" : `, ${text.percent(block.confidence)} sure`;
          const found = isFound && block.text.split(/[^\p{L}\p{N}]+/u).some((word) => word && isFound(word));
          const element = h("li", { class: `block kind-${block.kind}${unsure ? " unsure" : ""}${found ? " found" : ""}`, tabindex: index ? "-1" : "0", data: { index },
            onpointerenter: () => onpoint(index), onpointerleave: () => onpoint(null), onfocus: () => onpoint(index),
            onclick: () => {
              if (!String(getSelection())) onpick(index);
            } },
          h("span", { class: "block-kind", text: `${text.capital(block.kind)}${sure}` }), times(block), text.block(block));
          return element;
        });
        const body = isSource ? h("pre", { class: "source", tabindex: "0", dir: "auto", text: whole.text })
          : elements.length ? h("ol", { class: "blocks", onkeydown: keys }, ...elements)
            : h("p", { class: "empty", text: whole.text || "No text was read here." });
        root.replaceChildren(h("div", { class: "reading-head" }, trust(head, whole), swap),
          whole.caption ? h("p", { class: "caption" }, h("b", { text: "What it shows" }), ` ${whole.caption}`) : "", body);
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
      ? h("span", { class: "seal yes", title: "The quote stands in the text of that place", text: "verified" })
      : h("span", { class: "seal no", title: "The quote was not found in the text of that place", text: "not verified" });
    return h("a", { class: "proof-link", href: link(`doc/${asset.id}`, query), "aria-current": here ? "true" : null },
      h("span", { class: "proof-where", text: where }), seal, h("q", { dir: "auto", text: item.quote }));
  }

  function summary(asset, query) {
    const { summary: given } = asset;
    if (!given) return h("p", { class: "empty", text: "No summary was asked for, or none could be made." });
    const how = given.method === "extractive" ? `Words of the ${asset.kind === "video" ? "film" : "document"} itself` : "Written by the model";
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
      h("h2", { text: `${text.capital(failure.reason)}${failure.segment ? `, ${asset.kind === "video" ? "shot" : "page"} ${failure.segment}` : ""}` }),
      h("p", { class: "faint", text: `Stage ${failure.stage}` }),
      h("p", { class: "breaks", text: failure.message }),
      failure.text_salvaged ? h("details", {}, h("summary", { text: "Text that was salvaged" }), h("pre", { class: "source", tabindex: "0", text: failure.text_salvaged })) : null)));
  }

  function file(asset) {
    const rows = [
      ["Paths", h("ul", { class: "paths" }, ...asset.uris.map((uri) => h("li", { class: "breaks", text: uri })))],
      ["Title", asset.title], ["SHA-256", asset.id], ["State", `${asset.status}${asset.reason ? ` (${text.words(asset.reason)})` : ""}`],
      ["Size", asset.size === null ? null : text.bytes(asset.size)], ["Changed", asset.modified_at && text.moment(asset.modified_at)],
      ["Pages", asset.page_count], ["Length", asset.duration_s && text.clock(asset.duration_s)], ["Shots", asset.shot_count],
      ["Frame", asset.width_px && asset.height_px && `${asset.width_px} × ${asset.height_px}`], ["Frames a second", asset.fps && asset.fps.toFixed(2)],
      ["Codec", asset.codec && [asset.codec, asset.container].filter(Boolean).join(" in ")], ["Sound", asset.has_audio === null ? null : asset.has_audio ? "yes" : "no"],
    ].filter(([, value]) => value !== null && value !== undefined && value !== "");
    return h("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [h("dt", { text: name }), typeof value === "object" ? h("dd", {}, value) : h("dd", { class: "breaks", text: value })]));
  }

  return { reading, summary, answers, failures, file, meter };
})();
