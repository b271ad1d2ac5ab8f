"use strict";
/* How far the text of pages that a model read can be wrong: in a sentence, and by source folder. */
folioscope.bounds = (() => {
  const { h, link, text } = folioscope;

  const share = (value) => `${(100 * value).toFixed(value >= 0.01 ? 1 : 2)} %`;
  const isBounded = (bound) => bound.unsupported_high !== null && bound.omitted_high !== null;
  /** The bound of all of a run's pages; null where no model read one. */
  const whole = (run) => run?.error_bounds?.find((bound) => bound.folder === null) || null;

  function sentence(run) {
    const bound = whole(run);
    const pages = `${text.many(bound.pages, "page")} read by a model`;
    if (!isBounded(bound)) return `Of ${pages}, ${text.count(bound.checked)} could be compared with a second reader: too few for an error bound.`;
    return `Of ${pages}, at most ${share(bound.unsupported_high)} of the words are unsupported and at most ${share(bound.omitted_high)} of the page's are left out (95 % interval from ${text.count(bound.checked)} checked).`;
  }

  function table(run) {
    const range = (bound, name) => (bound[`${name}_high`] === null ? "too few checked" : `${share(bound[name])} (${share(bound[`${name}_low`])} to ${share(bound[`${name}_high`])})`);
    const columns = ["Source folder", "Pages read by a model", "Checked", "Words checked", "Unsupported words", "Words left out"];
    return h("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Error bounds by folder" }, h("table", { class: "figures" },
      h("thead", {}, h("tr", {}, ...columns.map((name) => h("th", { scope: "col", text: name })))),
      h("tbody", {}, ...run.error_bounds.map((bound) => h("tr", {}, h("th", { scope: "row", text: bound.folder ?? "All" }),
        ...[text.count(bound.pages), text.count(bound.checked), text.count(bound.words), range(bound, "unsupported"), range(bound, "omitted")].map((words) => h("td", { text: words })))))));
  }

  /** The line on the archive's first view, of the last run in which a model read pages. */
  function line(run) {
    return run ? h("p", { class: "bound" }, h("b", { text: "How far a model's text can be trusted:" }), ` ${sentence(run)} `, h("a", { href: link("runs"), text: "By folder" }), h("span", { class: "faint", text: ` · run of ${text.moment(run.started_at)}` })) : "";
  }

  /** What the view of runs says of the latest bound. */
  function section(run) {
    return run ? h("section", { class: "bounds" }, h("h2", { text: "How far a model's text can be trusted" }),
      h("p", { text: `${sentence(run)} Run of ${text.moment(run.started_at)}.` }), table(run),
      h("p", { class: "faint", text: "Unsupported: words that a second reader, who cannot invent, did not find on the page. Left out: words of the page that the text lacks. Shares are estimates over all pages, with 95 % intervals." })) : "";
  }

  const most = (run, name) => (whole(run) && isBounded(whole(run)) ? share(whole(run)[`${name}_high`]) : "–");
  return { line, section, table, most };
})();
