"use strict";
/* The runs over time: how fast, at what cost, with how many failures, how far the readings agree with the text layers. */
(() => {
  const { h, load, chart, text, bounds } = folioscope;

  const rate = (value) => (value >= 100 ? Math.round(value) : value >= 10 ? value.toFixed(0) : value.toFixed(value < 1 ? 2 : 1));
  const money = (value) => (value >= 100 ? Math.round(value).toString() : value.toFixed(value && value < 0.1 ? 4 : 2));
  const dated = (run) => run.started_at.slice(0, 10);
  const or = (value, shown) => (value === null || value === undefined ? "–" : shown(value));

  function figures(runs) {
    const of = (name) => runs.map((run) => ({ label: runs.length > 2 ? dated(run) : text.moment(run.started_at), value: run[name] }));
    return h("div", { class: "charts" },
      chart("Pages and shots a second", of("pages_per_second"), rate, { missing: "No run has finished yet." }),
      chart("Cost of 1,000 pages and shots", of("cost_per_1000_pages"), money, { missing: "No run that read pages was told a price (--price-per-replica-hour)." }),
      chart("Failed pages and shots", of("pages_failed"), (value) => text.count(Math.round(value * 10) / 10)),
      chart("Agreement with text layers", of("agreement"), text.percent, { most: 1, missing: "No page was both read by the model and had a text layer of its own." }),
      chart("Replicas busy", of("busy_share"), text.percent, { most: 1, missing: "No replica was called." }));
  }

  function accounting(run) {
    const names = ["seen", "done", "reused", "failed", "skipped"];
    const rows = { files: run.assets, "pages and shots": run.segments, summaries: run.summaries, answers: run.answers };
    return h("table", {}, h("thead", {}, h("tr", {}, h("td"), ...names.map((name) => h("th", { scope: "col", text: name })))),
      h("tbody", {}, ...Object.entries(rows).map(([name, counts]) => h("tr", {}, h("th", { scope: "row", text: name }), ...names.map((column) => h("td", { text: or(counts?.[column], text.count) }))))));
  }

  function details(run) {
    let given = run.arguments;
    try {
      given = JSON.stringify(JSON.parse(run.arguments), null, 2);
    } catch {
      // Shown as it was stored.
    }
    return h("details", { class: "run" },
      h("summary", {}, h("b", { text: text.moment(run.started_at) }), h("span", { class: "faint", text: run.run_id }), h("span", { text: `${text.many(run.pages ?? 0, "page or shot", "pages and shots")}, ${or(run.wall_seconds, text.lasting)}` })),
      h("div", { class: "run-body" }, h("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Accounting" }, accounting(run)), run.error_bounds?.length ? bounds.table(run) : "", h("pre", { class: "source", tabindex: "0", text: given })));
  }

  folioscope.views.runs = async (main) => {
    const runs = await load("runs");
    const columns = [
      ["Started", (run) => text.moment(run.started_at)], ["Pages and shots", (run) => or(run.pages, text.count)], ["Failed", (run) => or(run.pages_failed, text.count)],
      ["Time", (run) => or(run.wall_seconds, text.lasting)], ["A second", (run) => or(run.pages_per_second, rate)], ["Busy", (run) => or(run.busy_share, text.percent)],
      ["Tokens in / out", (run) => `${or(run.input_tokens, text.count)} / ${or(run.output_tokens, text.count)}`], ["Cost", (run) => or(run.cost, money)], ["Agreement", (run) => or(run.agreement, text.percent)],
      ["Unsupported, at most", (run) => bounds.most(run, "unsupported")], ["Left out, at most", (run) => bounds.most(run, "omitted")]];
    const latest = [...runs].reverse();
    main.replaceChildren(h("div", { class: "page" }, h("h1", { text: "Runs" }),
      runs.length ? h("div", {}, figures(runs), bounds.section(latest.find((run) => run.error_bounds?.length)),
        h("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Figures of each run" }, h("table", { class: "figures" },
          h("thead", {}, h("tr", {}, ...columns.map(([name]) => h("th", { scope: "col", text: name })))),
          h("tbody", {}, ...latest.map((run) => h("tr", {}, ...columns.map(([, show]) => h("td", { text: show(run) }))))))),
        h("h2", { text: "Accounting and arguments" }), ...latest.slice(0, 50).map(details))
        : h("div", { class: "empty" }, h("h2", { text: "No run has been recorded" }))));
    return {};
  };
})();
