"use strict";
/* The one global name: data in pieces, and elements made without a word of HTML.
 *
 * Pages opened from a disk may not fetch, so data comes as scripts that call `folioscope.take`. Whatever a document
 * says reaches the page as text nodes and attribute values alone. */
const folioscope = (() => {
  const KEPT = 160; // pieces; about 100 KB each
  const folder = document.body.dataset.folder;
  const pieces = new Map();

  /** Something that the address asks for is not in the report; the message says what to do. */
  class Missing extends Error {}

  /** The value of a piece; loaded once, kept while it is used. */
  function load(name) {
    const known = pieces.get(name);
    if (known) {
      pieces.delete(name);
      pieces.set(name, known);
      return known.value;
    }
    const piece = {};
    piece.value = new Promise((resolve, reject) => {
      piece.resolve = resolve;
      const script = document.createElement("script");
      script.src = `${folder}/${name}.js`;
      script.onload = () => {
        script.remove();
        reject(new Missing(`${script.src} holds no data. Write the report again.`));
      };
      script.onerror = () => {
        pieces.delete(name);
        script.remove();
        reject(new Missing(`${script.src} could not be loaded. If the report was written anew, reload this page.`));
      };
      document.head.append(script);
    });
    pieces.set(name, piece);
    if (pieces.size > KEPT) pieces.delete(pieces.keys().next().value);
    return piece.value;
  }

  function take(name, value) {
    pieces.get(name)?.resolve(value);
  }

  /** Rows that lie in pieces of one size: `get` gives what is there already, and calls back when more has come. */
  function pieced(name, size, begin = 0) {
    const parts = new Map();
    return {
      get(index, whenCome) {
        const at = begin + index;
        const part = Math.floor(at / size);
        if (!parts.has(part)) {
          parts.set(part, null);
          load(`${name}/${part}`).then((rows) => {
            parts.set(part, rows);
            whenCome();
          }, fail);
        }
        return parts.get(part)?.[at % size] ?? null;
      },
    };
  }

  const SVG = "http://www.w3.org/2000/svg";
  const SVG_TAGS = new Set(["svg", "g", "rect", "line", "path", "circle", "text", "title"]);

  /** An element. `on…` values are listeners, `class` and `text` are what they say, false and null leave out. */
  function h(tag, given = {}, ...children) {
    const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(given)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "text") element.textContent = value;
      else if (name === "data") Object.assign(element.dataset, value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }

  /** Place an element by shares of its parent. */
  function place(element, [x0, y0, x1, y1]) {
    element.style.left = `${100 * x0}%`;
    element.style.top = `${100 * y0}%`;
    element.style.width = `${100 * Math.max(0, x1 - x0)}%`;
    element.style.height = `${100 * Math.max(0, y1 - y0)}%`;
    return element;
  }

  function fail(error) {
    const box = h("div", { class: "empty", role: "alert" },
      h("h2", { text: "This part of the report could not be shown" }),
      h("p", { text: error.message }));
    document.getElementById("main").replaceChildren(box);
    if (!(error instanceof Missing)) console.error(error);
  }

  /** Say something to whoever does not see the page change. */
  function tell(words) {
    document.getElementById("news").textContent = words;
  }

  /** A value that this browser remembers, where it may. */
  const memory = {
    get(key, otherwise) {
      try {
        return localStorage.getItem(`folioscope.${key}`) ?? otherwise;
      } catch {
        return otherwise;
      }
    },
    set(key, value) {
      try {
        localStorage.setItem(`folioscope.${key}`, value);
      } catch {
        // A browser that forgets is told again.
      }
    },
  };

  function link(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const words = given.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
    return `#/${path}${words ? `?${words}` : ""}`;
  }

  return { Missing, load, take, pieced, h, place, fail, tell, memory, link, folder, views: {} };
})();
