"use strict";
/* A page or shot as it is read now beside its earlier reading, what differs marked in both. */
(() => {
  const { h, load, link, text } = folioscope;
  const MOST_WORDS = 3000; // of a page that are compared: the table of the comparison grows with their square

  /** Which words of two texts have no fellow in the other, in order: the longest common sequence is what they share. */
  function compared(one, other) {
    const [a, b] = [one.slice(0, MOST_WORDS), other.slice(0, MOST_WORDS)];
    const wide = b.length + 1;
    const best = new Uint16Array((a.length + 1) * wide);
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        best[i * wide + j] = a[i] === b[j] ? best[(i + 1) * wide + j + 1] + 1 : Math.max(best[(i + 1) * wide + j], best[i * wide + j + 1]);
      }
    }
    const [left, right] = [new Set(a.keys()), new Set(b.keys())];
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
      if (a[i] === b[j]) {
        left.delete(i);
        right.delete(j);
        i += 1;
        j += 1;
      } else if (best[(i + 1) * wide + j] >= best[i * wide + j + 1]) i += 1;
      else j += 1;
    }
    return [left, right];
  }

  const pieces = (whole) => whole.split(/(\s+)/u);

  function column(name, about, whole, differing) {
    let at = -1;
    const shown = pieces(whole).map((piece) => {
      if (!piece.trim()) return piece;
      at += 1;
      return differing.has(at) ? h("mark", { text: piece }) : piece;
    });
    return h("section", { class: "version" }, h("h2", { text: name }), h("p", { class: "faint", text: about }),
      h("pre", { class: "source", tabindex: "0", dir: "auto" }, ...(whole ? shown : ["No text was read."])));
  }

  folioscope.views.versions = async (main, site, [id], query) => {
    if (!/^[0-9a-f]{64}$/.test(id || "")) throw new folioscope.Missing("There is no such document in this report.");
    const folder = `doc/${id.slice(0, 2)}/${id}`;
    const asset = await load(`${folder}/head`);
    const noun = ["video", "audio"].includes(asset.kind) ? "Shot" : "Page";
    const numbers = asset.older.numbers;
    async function update(given) {
      const n = numbers.includes(Number(given.page)) ? Number(given.page) : numbers[0];
      if (n === undefined) throw new folioscope.Missing("This file was read once: there is no earlier reading to compare.");
      const at = asset.segments.findIndex((segment) => segment.n === n);
      const now = at < 0 ? null : (await load(`${folder}/part/${Math.floor(at / site.segments_a_piece)}`))[at % site.segments_a_piece];
      const place = numbers.indexOf(n);
      const before = (await load(`${folder}/older/${Math.floor(place / site.segments_a_piece)}`))[place % site.segments_a_piece];
      const words = (whole) => pieces(whole).filter((piece) => piece.trim());
      const [left, right] = compared(words(before.text), words(now?.text || ""));
      const same = left.size + right.size === 0;
      const choose = h("select", { "aria-label": `${noun} to compare`, onchange: () => (location.hash = link(`versions/${id}`, { page: choose.value })) },
        ...numbers.map((number) => h("option", { value: number, selected: number === n, text: `${noun} ${number}` })));
      main.replaceChildren(h("div", { class: "page" },
        h("h1", { text: text.name(asset.uris[0]) }),
        h("div", { class: "tools" }, choose, h("a", { href: link(`doc/${id}`, { page: n }), text: `Back to the ${noun.toLowerCase()}` }),
          h("span", { class: "faint", text: same ? "Both readings say the same." : `${text.many(left.size, "word")} only before, ${text.count(right.size)} only now` })),
        h("div", { class: "versions" },
          column("Earlier reading", `${before.model} · ${text.moment(before.read_at)}`, before.text, left),
          column("Present reading", now ? now.model : "not read", now?.text || "", right))));
      folioscope.tell(`${noun} ${n}, two readings`);
    }
    await update(query);
    return { update };
  };
})();
