"use strict";
/* Bars over runs as inline SVG. The figures stand in the table below as well, so the drawing is one image to a reader. */
folioscope.chart = (() => {
  const { h } = folioscope;
  const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [420, 170, 46, 22, 12];

  /** A round number at or above a value: 1, 2, 2.5, 5 times a power of ten. */
  function ceiling(value) {
    if (!(value > 0)) return 1;
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
  }

  /** `points` are {label, value or null}; `shown(value)` words a value; `missing` says why there may be none. */
  return function chart(title, points, shown, { most = null, missing = "" } = {}) {
    const known = points.filter((point) => point.value !== null && point.value !== undefined);
    if (!known.length) return h("figure", { class: "chart" }, h("figcaption", { text: title }), h("p", { class: "chart-none", text: missing }));
    const top = most ?? ceiling(Math.max(0, ...known.map((point) => point.value)));
    const high = HEIGHT - TOP - BOTTOM;
    const step = (WIDTH - LEFT - 8) / Math.max(points.length, 1);
    const wide = Math.min(36, Math.max(1, step * 0.62));
    const y = (value) => TOP + high * (1 - value / top);
    const last = known[known.length - 1];
    const words = `${title} over ${points.length} runs; last ${shown(last.value)}`;
    const lines = [0, 0.5, 1].map((share) => h("g", {},
      h("line", { class: "grid", x1: LEFT, x2: WIDTH - 4, y1: y(top * share), y2: y(top * share) }),
      h("text", { x: LEFT - 6, y: y(top * share) + 4, "text-anchor": "end", text: shown(top * share) })));
    const bars = points.map((point, index) => {
      if (point.value === null || point.value === undefined) return null;
      const x = LEFT + step * index + (step - wide) / 2;
      const tall = Math.max(point.value > 0 ? 2 : 0, high * Math.min(1, point.value / top));
      return h("rect", { class: "bar", x, width: wide, y: TOP + high - tall, height: tall, rx: Math.min(3, wide / 4) }, h("title", { text: `${point.label}: ${shown(point.value)}` }));
    });
    const ends = points.length ? [[0, "start"], [points.length - 1, "end"]].slice(0, points.length > 1 ? 2 : 1) : [];
    const dates = ends.map(([index, anchor]) => h("text", { x: anchor === "start" ? LEFT : WIDTH - 4, y: HEIGHT - 5, "text-anchor": anchor, text: points[index].label }));
    return h("figure", { class: "chart" },
      h("figcaption", {}, title, h("b", { text: shown(last.value) })),
      h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words }, ...lines, ...bars.filter(Boolean), ...dates));
  };
})();
