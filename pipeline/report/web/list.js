"use strict";
/* A list of any length of which only what is seen exists: rows of one height, in the page's scroll or in a box's own. */
folioscope.list = (() => {
  const { h } = folioscope;
  const BEYOND = 8; // rows kept ready above and below

  /** `row(index)` gives an element, or null for a row that has not come yet. `box` scrolls, else the page does. */
  return function list({ label, height, row, box = null }) {
    const root = h("div", { class: "rows", role: "list", "aria-label": label });
    const made = new Map();
    let count = 0;
    let asked = false;

    function draw() {
      asked = false;
      if (!root.isConnected) return;
      const top = box ? root.getBoundingClientRect().top - box.getBoundingClientRect().top : root.getBoundingClientRect().top;
      const seen = box ? box.clientHeight : window.innerHeight;
      const first = Math.max(0, Math.floor(-top / height) - BEYOND);
      const last = Math.min(count, Math.ceil((seen - top) / height) + BEYOND);
      for (const [index, element] of made) {
        const kept = (index >= first && index < last) || (index < count && element.contains(document.activeElement));
        if (!kept) {
          element.remove();
          made.delete(index);
        }
      }
      for (let index = first; index < last; index += 1) {
        if (made.has(index)) continue;
        const inner = row(index);
        if (!inner) continue;
        const element = h("div", { role: "listitem", class: "row", "aria-setsize": count, "aria-posinset": index + 1 }, inner);
        element.style.top = `${index * height}px`;
        element.style.height = `${height}px`;
        const next = [...made.keys()].filter((other) => other > index).sort((a, b) => a - b)[0];
        root.insertBefore(element, next === undefined ? null : made.get(next));
        made.set(index, element);
      }
    }

    function drawSoon() {
      if (!asked) {
        asked = true;
        requestAnimationFrame(draw);
      }
    }

    const scroller = box || window;
    scroller.addEventListener("scroll", drawSoon, { passive: true });
    window.addEventListener("resize", drawSoon);

    return {
      root,
      /** Show `length` rows; `anew` makes them all again. */
      show(length, anew = true) {
        count = length;
        root.style.height = `${count * height}px`;
        if (anew) {
          for (const element of made.values()) element.remove();
          made.clear();
        }
        drawSoon();
      },
      more: drawSoon,
      /** Bring a row into the box's view. */
      reveal(index) {
        const top = index * height;
        if (box && (top < box.scrollTop || top + height > box.scrollTop + box.clientHeight)) {
          box.scrollTop = Math.max(0, top - (box.clientHeight - height) / 2);
        }
        drawSoon();
      },
      row: (index) => made.get(index) || null,
      close() {
        scroller.removeEventListener("scroll", drawSoon);
        window.removeEventListener("resize", drawSoon);
      },
    };
  };
})();
