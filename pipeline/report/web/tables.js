"use strict";
/* Two views of the same make: what failed, by reason; what was answered, by question. A choice at the left, rows at the right. */
(() => {
  const { h, link, list, load, pieced, text, transfer } = folioscope;

  /** Choices with bars, and the rows of the one chosen. */
  function chooser({ title, about, choices, label, height, source, row, none, key, chosen, columns, size }) {
    const most = Math.max(1, ...choices.map((choice) => choice.count));
    let current = choices.find((choice) => choice[key] === chosen) || choices.find((choice) => choice.count) || choices[0];
    let rows = null;
    const head = h("div", { class: "chosen" });
    const side = h("div", { class: "choices", role: "group", "aria-label": label });
    const body = h("div", { class: "chosen-rows" });

    function show(choice) {
      current = choice;
      for (const button of side.children) button.setAttribute("aria-pressed", String(button.dataset.key === choice[key]));
      const piece = title.toLowerCase();
      head.replaceChildren(...about(choice), choice.count ? transfer.button("CSV", "Download these rows as CSV", async () => {
        const parts = [];
        for (let part = Math.floor(choice.begin / size); part * size < choice.begin + choice.count; part += 1) parts.push(...(await load(`${piece}/${part}`)));
        const start = choice.begin - Math.floor(choice.begin / size) * size;
        const names = Object.keys(columns);
        transfer.download(`${piece}-${transfer.stem(String(choice[key]))}.csv`, "text/csv", transfer.csv([names, ...parts.slice(start, start + choice.count).map((item) => names.map((name) => columns[name](item)))]));
      }) : "");
      rows?.close();
      const lying = source(choice);
      rows = list({ label: title, height, row: (index) => {
        const item = lying.get(index, () => rows.more());
        return item && row(item, choice);
      } });
      body.replaceChildren(rows.root);
      rows.show(choice.count);
    }

    side.append(...choices.map((choice) => {
      const bar = h("i");
      bar.style.width = `${(100 * choice.count) / most}%`;
      return h("button", { type: "button", class: "choice", data: { key: choice[key] }, "aria-pressed": "false", onclick: () => {
        history.replaceState(null, "", link(title.toLowerCase(), { [key]: choice[key] }));
        show(choice);
        // On a narrow page the rows begin below all choices.
        if (head.getBoundingClientRect().top > window.innerHeight * 0.8) head.scrollIntoView({ block: "start" });
      } }, h("span", { class: "choice-name", text: choice.label }), h("b", { text: text.count(choice.count) }), h("span", { class: "choice-bar", "aria-hidden": "true" }, bar));
    }));
    const root = h("div", { class: "page" }, h("h1", { text: title }),
      choices.length ? h("div", { class: "chooser" }, side, h("div", {}, head, body)) : h("div", { class: "empty" }, ...none));
    return { root, begin: () => choices.length && show(current), close: () => rows?.close() };
  }

  function opened(main, view) {
    main.replaceChildren(view.root);
    view.begin();
    return view;
  }

  const where = (failure) => [failure.stage, failure.segment ? `${["video", "audio"].includes(failure.kind) ? "shot" : "page"} ${failure.segment}` : null, failure.question_id ? `question ${failure.question_id}` : null, failure.attempts > 1 ? `${failure.attempts} attempts` : null].filter(Boolean).join(" · ");

  folioscope.views.failures = async (main, site, _path, query) => opened(main, chooser({
    title: "Failures", label: "Reason", height: 92, key: "reason", chosen: query.reason, size: site.rows_a_piece,
    columns: Object.fromEntries(["uri", "stage", "segment", "question_id", "message", "attempts"].map((name) => [name, (item) => item[name]])),
    choices: site.reasons.map((reason) => ({ ...reason, label: text.capital(reason.reason) })),
    about: (reason) => [
      h("h2", { text: reason.label }),
      reason.meaning ? h("p", { text: reason.meaning }) : "",
      h("p", { class: "faint", text: `${text.many(reason.count, "failure")} in ${text.many(reason.files, "file")}. ${reason.retryable ? "Trying again may help with no change to the file." : "Trying again will not help as the file stands."}` })],
    source: (reason) => pieced("failures", site.rows_a_piece, reason.begin),
    row: (failure) => h(failure.asset_id ? "a" : "div", { class: "entry", href: failure.asset_id ? link(`doc/${failure.asset_id}`, failure.segment ? { page: failure.segment } : {}) : null, title: `${failure.uri}\n${failure.message}` },
      h("span", { class: "entry-name", text: text.name(failure.uri) }),
      h("span", { class: "faint entry-side", text: where(failure) }),
      h("span", { class: "entry-text", text: failure.message })),
    none: site.not_read.length
      ? [h("h2", { text: "Nothing that was read has failed" }), h("p", { text: "Some files were not read:" }), h("ul", {}, ...site.not_read.map((words) => h("li", { text: words })))]
      : [h("h2", { text: "Nothing failed" }), h("p", { text: "Every file, page and question of this archive was dealt with." })],
  }));

  folioscope.views.answers = async (main, site, _path, query) => opened(main, chooser({
    title: "Answers", label: "Question", height: 112, key: "question_id", chosen: query.question_id, size: site.rows_a_piece,
    columns: { uri: (item) => item.uri, answer: (item) => item.answer, score: (item) => item.score, page: (item) => item.evidence[0]?.page, second: (item) => item.evidence[0]?.start, quote: (item) => item.evidence[0]?.quote, verified: (item) => item.evidence[0]?.verified },
    choices: site.questions.map((question) => ({ ...question, label: question.question })),
    about: (question) => [
      h("h2", { text: question.question }),
      h("p", { class: "faint", text: question.count ? `${text.many(question.count, "file answers", "files answer")} it of ${text.count(question.asked)} asked; in ${text.count(question.verified)} the quote was found again in the text.` : `None of ${text.many(question.asked, "file")} asked answers it.` })],
    source: (question) => pieced("answers", site.rows_a_piece, question.begin),
    row: (answer, question) => {
      const item = answer.evidence[0];
      const at = item && (item.page !== null ? `page ${item.page}` : item.start !== null ? text.clock(item.start) : "");
      return h("a", { class: "entry", href: link(`doc/${answer.asset_id}`, { answer: question.question_id }), title: item ? item.quote : answer.uri },
        h("span", { class: "entry-name", text: text.name(answer.uri) }),
        h("span", { class: "entry-side" }, h("span", { class: "faint", text: at || "" }), item ? h("span", { class: `seal ${item.verified ? "yes" : "no"}`, text: item.verified ? "verified" : item.by ? "quoted" : "not found" }) : ""),
        h("span", { class: "entry-text answer-line", dir: "auto", text: answer.answer || "" }));
    },
    none: [h("h2", { text: "No questions were asked" }), h("p", { text: "Give a file of questions to the job with --questions, and run it again: no page is read twice." })],
  }));
})();
