"use strict";
/* How values and texts are shown: names, sizes, times; the small Markdown of blocks; tables by whitelist. */
folioscope.text = (() => {
  const { h } = folioscope;

  const name = (uri) => {
    const last = uri.replace(/\/+$/, "").split("/").pop() || uri;
    return uri.startsWith("file://") || uri.includes("#attachment=") ? decoded(last) : last;
  };
  const place = (uri) => uri.slice(0, uri.length - (uri.replace(/\/+$/, "").split("/").pop() || "").length).replace(/\/$/, "");

  function decoded(words) {
    try {
      return decodeURIComponent(words);
    } catch {
      return words; // a % that stands for itself
    }
  }

  const count = (value) => Number(value).toLocaleString("en");
  const many = (value, one, more = `${one}s`) => `${count(value)} ${value === 1 ? one : more}`;
  const percent = (value) => `${Math.round(100 * value)} %`;

  function bytes(value) {
    const units = ["B", "KB", "MB", "GB", "TB"];
    let at = 0;
    while (value >= 1000 && at < units.length - 1) {
      value /= 1000;
      at += 1;
    }
    return `${value < 10 && at ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
  }

  /** Seconds as a clock shows them: 1:05, 1:02:03, 0:01.5 */
  function clock(seconds, tenths = false) {
    const whole = tenths ? Math.round(seconds * 10) / 10 : Math.floor(seconds);
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor((whole % 3600) / 60);
    const rest = (whole % 60).toFixed(tenths && whole % 1 ? 1 : 0).padStart(tenths && whole % 1 ? 4 : 2, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  }

  function lasting(seconds) {
    if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
    if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return `${(seconds / 3600).toFixed(1)} h`;
  }

  const moment = (iso) => iso.replace("T", " ").replace(/:\d\dZ$/, " UTC");
  const words = (code) => (code || "").replaceAll("_", " ");
  const capital = (code) => words(code).replace(/^./u, (letter) => letter.toUpperCase());

  const INLINE = /(\*\*(?=\S)([^*]+?)\*\*|`([^`]+)`|\$(?=\S)([^$\n]+?)(?<=\S)\$(?!\d)|<(sup|sub|b|i|em|strong|u)>([^<>]*)<\/\5>|<br\s*\/?>)/gi;

  /** Bold, code, formulas and the few tags that readers write; all else stays as it is. */
  function inline(text) {
    const parts = [];
    let at = 0;
    for (const match of text.matchAll(INLINE)) {
      if (match.index > at) parts.push(text.slice(at, match.index));
      if (match[2] !== undefined) parts.push(h("strong", { text: match[2] }));
      else if (match[3] !== undefined) parts.push(h("code", { text: match[3] }));
      else if (match[4] !== undefined) parts.push(h("code", { class: "formula", text: match[4] }));
      else if (match[5] !== undefined) parts.push(h(match[5].toLowerCase(), { text: match[6] }));
      else parts.push(h("br"));
      at = match.index + match[0].length;
    }
    if (at < text.length) parts.push(text.slice(at));
    return parts;
  }

  const KEPT = new Set(["table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "sup", "sub", "b", "i", "em", "strong", "u"]);
  const DROPPED = /<(script|style|template|iframe|object|noscript|title)\b[\s\S]*?(?:<\/\1\s*>|$)|<!--[\s\S]*?(?:-->|$)/gi;
  const TAG = /<(\/?)([a-z][a-z0-9]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>/gi;
  // What a tag that opens closes first: its open neighbours, up to what may hold it.
  const ENDS = { td: ["td", "th"], th: ["td", "th"], tr: ["td", "th", "tr"], thead: ["td", "th", "tr", "thead", "tbody"], tbody: ["td", "th", "tr", "thead", "tbody"], tfoot: ["td", "th", "tr", "thead", "tbody"] };
  const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

  const unescaped = (words) => words.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{2,8}));/gi, (whole, decimal, hex, named) => {
    const code = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : null;
    if (code === null) return ENTITIES[named.toLowerCase()] ?? whole;
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });

  /** HTML as elements of a whitelist, with no attribute but spans. The browser's own parser never sees it. */
  function table(source) {
    const root = h("div", { class: "table", tabindex: "0", role: "group", "aria-label": "Table", dir: "auto" });
    const open = [root];
    const inside = () => open[open.length - 1];
    const close = (name) => {
      const at = open.findLastIndex((element) => element.localName === name && element !== root);
      if (at > 0) open.length = at;
    };
    const given = source.replace(DROPPED, "");
    let at = 0;
    const words = (until) => {
      const text = unescaped(given.slice(at, until));
      if (text.trim() || !["table", "thead", "tbody", "tfoot", "tr"].includes(inside().localName)) inside().append(text);
    };
    for (const match of given.matchAll(TAG)) {
      words(match.index);
      at = match.index + match[0].length;
      const name = match[2].toLowerCase();
      if (name === "br") inside().append(h("br"));
      else if (!KEPT.has(name)) continue;
      else if (match[1]) close(name);
      else {
        while (ENDS[name]?.includes(inside().localName)) open.pop();
        const spans = {};
        for (const [, side, value] of match[3].matchAll(/\b(colspan|rowspan)\s*=\s*["']?(\d{1,4})/gi)) {
          if (value > 1 && value <= 1000) spans[side.toLowerCase()] = value;
        }
        const element = h(name, spans);
        inside().append(element);
        open.push(element);
      }
    }
    words(given.length);
    return root;
  }

  const OPEN = "\ufdd0"; // noncharacters: no text means anything by them
  const CLOSE = "\ufdd1";

  /** A block of a page as an element; words at the places `unsupported`, counted in characters, are marked. */
  function block(given, unsupported = []) {
    if (!unsupported.length) return plain(given);
    const letters = [...given.text].map((letter) => (letter === OPEN || letter === CLOSE ? "\ufffd" : letter));
    for (const [start, end] of unsupported) {
      if (!(start < end && end <= letters.length)) continue;
      letters[start] = OPEN + letters[start];
      letters[end - 1] += CLOSE;
    }
    const element = plain({ ...given, text: letters.join("") });
    markBetween(element);
    return element;
  }

  /** Mark what stands between the two noncharacters, however many elements it runs through, and take them out. */
  function markBetween(element) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    const nodes = [];
    while (walker.nextNode()) nodes.push(walker.currentNode);
    let inside = false;
    for (const node of nodes) {
      if (!inside && !node.data.includes(OPEN)) continue;
      const parts = [];
      for (const part of node.data.split(/([\ufdd0\ufdd1])/u)) {
        if (part === OPEN || part === CLOSE) inside = part === OPEN;
        else if (part) parts.push(inside ? h("mark", { class: "unsupported", title: "Not found on the page by the second reader", text: part }) : part);
      }
      node.replaceWith(...parts);
    }
  }

  /** How many words of a block are not supported: a place may hold several. */
  function unsupportedWords(block) {
    const letters = [...block.text];
    return block.unsupported.reduce((sum, [start, end]) => sum + letters.slice(start, end).join("").split(/\s+/).filter(Boolean).length, 0);
  }

  function plain({ kind, text, level }) {
    if (/^\s*<table[\s>]/i.test(text)) return table(text);
    if (kind === "heading") return h("p", { class: `heading h${Math.min(4, Math.max(1, level))}`, dir: "auto" }, ...inline(text));
    if (kind === "code") return h("pre", { dir: "auto" }, h("code", { text: text.replace(/^```\w*\n|\n```$/g, "") }));
    if (kind === "formula") return h("p", { dir: "auto" }, h("code", { class: "formula", text }));
    if (kind === "list_item") return h("p", { class: "item", dir: "auto" }, ...inline(text));
    if (kind === "picture" && !text) return h("p", { class: "faint", text: "A picture" });
    return h("p", { dir: "auto" }, ...inline(text));
  }

  /** The text with its found words marked. */
  function marked(text, isFound) {
    return text.split(/([^\p{L}\p{N}]+)/u).map((part) => (part && isFound(part) ? h("mark", { text: part }) : part));
  }

  return { name, place, count, many, percent, bytes, clock, lasting, moment, words, capital, inline, block, unsupportedWords, marked };
})();
