"use strict";
/* Search over all text: cuts words as pipeline/report/search_index.py does, loads the pieces they lie in, and ranks. */
folioscope.search = (() => {
  const { h, load, link, text } = folioscope;
  const LONGEST = 40;
  const SHOWN = 20;
  const UNSPACED = /([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+)/u;

  function words(given) {
    const folded = given.toLowerCase().normalize("NFKD").replace(/\p{Mn}/gu, "").normalize("NFC");
    return (folded.match(/[\p{L}\p{N}]+/gu) || []).flatMap((word) =>
      word.split(UNSPACED).filter(Boolean).flatMap((part) => {
        const letters = Array.from(part);
        if (!UNSPACED.test(part)) return [letters.slice(0, LONGEST).join("")];
        return letters.length === 1 ? [part] : letters.slice(1).map((letter, at) => letters[at] + letter);
      }));
  }

  const code = (letter) => letter.codePointAt(0).toString(16);

  function bucket(word) {
    const letters = Array.from(word);
    return letters[0].codePointAt(0) >= 0x2e80 ? code(letters[0]) : letters.slice(0, 2).map(code).join("-");
  }

  /** The pieces that hold a word, or the words that begin with it. */
  function bucketsOf(word, begins, all) {
    const own = bucket(word);
    const short = begins && Array.from(word).length === 1 && word.codePointAt(0) < 0x2e80;
    return all.filter((name) => name === own || (short && name.startsWith(`${own}-`)));
  }

  /** Hits of one word: Map from "content segment" to a weight. */
  async function hits(word, begins, site) {
    const found = new Map();
    for (const piece of await Promise.all(bucketsOf(word, begins, site.buckets).map((name) => load(`search/${name}`)))) {
      for (const [entry, posting] of Object.entries(piece)) {
        if (entry !== word && !(begins && entry.startsWith(word))) continue;
        const whole = entry === word ? 1 : 0.6;
        for (let at = 0; at < posting.length;) {
          const [content, segments] = [posting[at], posting[at + 1]];
          at += 2;
          for (let i = 0; i < segments; i += 1, at += 2) {
            const key = `${content} ${posting[at]}`;
            const times = posting[at + 1];
            const title = posting[at] === 0 ? 2 : 1;
            found.set(key, Math.max(found.get(key) || 0, (title * whole * times) / (times + 1)));
          }
        }
      }
    }
    const rare = Math.log(1 + (site.segments + site.contents + 1) / (found.size + 1));
    for (const [key, weight] of found) found.set(key, weight * rare);
    return found;
  }

  /** Segments that hold all words, the best first. The last word may go on, unless a space follows it. */
  async function find(query, site) {
    const asked = [...new Set(words(query))];
    if (!asked.length) return [];
    const goesOn = /[\p{L}\p{N}]$/u.test(query);
    const each = await Promise.all(asked.map((word, at) => hits(word, goesOn && at === asked.length - 1, site)));
    const [fewest, ...others] = each.sort((a, b) => a.size - b.size);
    const ranked = [];
    for (const [key, weight] of fewest) {
      if (!others.every((other) => other.has(key))) continue;
      const [content, segment] = key.split(" ").map(Number);
      ranked.push({ content, segment, weight: others.reduce((sum, other) => sum + other.get(key), weight) });
    }
    return ranked.sort((a, b) => b.weight - a.weight || a.content - b.content || a.segment - b.segment);
  }

  /** Whether a word of a text is one that was asked for. */
  function matcher(query) {
    const asked = words(query);
    const last = /[\p{L}\p{N}]$/u.test(query) ? asked[asked.length - 1] : null;
    return (word) => words(word).some((own) => asked.includes(own) || (last && own.startsWith(last)));
  }

  function snippet(whole, isFound) {
    const flat = whole.replace(/<[^<>]*>/g, " ").replace(/\s+/g, " ");
    let at = 0;
    for (const match of flat.matchAll(/[\p{L}\p{N}]+/gu)) {
      if (isFound(match[0])) {
        at = match.index;
        break;
      }
    }
    const from = at > 90 ? flat.indexOf(" ", at - 80) + 1 : 0;
    const cut = flat.slice(from, from + 240);
    const isWhole = from + 240 >= flat.length;
    return `${from ? "… " : ""}${isWhole ? cut : `${cut.replace(/\s\S*$/, "")} …`}`;
  }

  async function result(hit, query, isFound, site) {
    const part = await load(`contents/${Math.floor(hit.content / site.rows_a_piece)}`);
    const [id, uri, title, kind] = part[hit.content % site.rows_a_piece];
    const head = await load(`doc/${id.slice(0, 2)}/${id}/head`);
    const at = head.segments.findIndex((segment) => segment.n === hit.segment);
    let words = head.summary?.text || title || uri;
    let where = "Name, title or summary";
    if (at >= 0) {
      const segments = await load(`doc/${id.slice(0, 2)}/${id}/part/${Math.floor(at / site.segments_a_piece)}`);
      const segment = segments[at % site.segments_a_piece];
      const blocks = segment.blocks.map((block) => block.text);
      words = (blocks.length ? blocks.join(" ") : segment.text) || segment.caption || "";
      where = kind === "video" ? `At ${text.clock(head.segments[at].start)}` : `Page ${hit.segment}`;
    }
    return h("a", { class: "hit", href: link(`doc/${id}`, at >= 0 ? { page: hit.segment, words: query } : {}) },
      h("span", { class: "hit-name", title: uri }, ...text.marked(text.name(uri), isFound)),
      h("span", { class: "faint", text: where }),
      h("span", { class: "hit-text", dir: "auto" }, ...text.marked(snippet(words, isFound), isFound)));
  }

  folioscope.views.search = async (main, site, _path, query) => {
    const asked = query.q || "";
    const head = h("h1", { text: "Search" });
    const note = h("p", { class: "faint" });
    const box = h("div", { class: "hits" });
    main.replaceChildren(h("div", { class: "page narrow" }, head, note, box));
    const found = await find(asked, site);
    const isFound = matcher(asked);
    const documents = new Set(found.map((hit) => hit.content)).size;
    const whole = found.length ? `${text.many(found.length, "place")} in ${text.many(documents, "file")} for “${asked}”` : "";
    note.textContent = whole || (words(asked).length ? `Nothing holds all words of “${asked}”. Fewer words find more.` : "Type words to find them in every page, name and summary.");
    folioscope.tell(note.textContent);
    let shown = 0;
    const more = h("button", { type: "button", class: "more", text: "Show more", onclick: () => show() });
    async function show() {
      const next = found.slice(shown, shown + SHOWN);
      shown += next.length;
      more.remove();
      box.append(...(await Promise.all(next.map((hit) => result(hit, asked, isFound, site)))));
      if (shown < found.length) box.append(more);
    }
    await show();
  };

  return { words, bucket, matcher };
})();
