"use strict";
/* Which pages a query finds, and in what order: that of `folioscope search`, whose weights the pieces hold. */
folioscope.ranking = (() => {
  const { load } = folioscope;
  const { terms, words, variants } = folioscope.terms;
  const LONGEST = 1000;
  const PHRASES_CHECKED = 300;
  const WEIGHT = 1e5; // what a weight of 1 is in the pieces
  const QUOTED = /["“„«]([^"“”„«»]+)["”“»]/gu;
  const EXCLUDED = /(^|\s)-(?=[\p{L}\p{N}])(\S+)/gu;

  const code = (letter) => letter.codePointAt(0).toString(16);

  function bucket(word) {
    const letters = Array.from(word);
    return letters[0].codePointAt(0) >= 0x2e80 ? code(letters[0]) : letters.slice(0, 2).map(code).join("-");
  }

  /** A query understood, as pipeline/search/query.py does. */
  function parse(query, site) {
    const { languages, algorithms } = site.search;
    const stop = new Set(site.search.stop_words);
    const text = Array.from(query).slice(0, LONGEST).join("");
    const quoted = [...text.matchAll(QUOTED)].map((match) => match[1]);
    const rest = text.replace(QUOTED, " ");
    const without = [...rest.matchAll(EXCLUDED)].flatMap((match) => variants(match[2], languages, algorithms).flat());
    const plain = words(rest.replace(EXCLUDED, "$1 "));
    const content = plain.filter((word) => !stop.has(word.toLowerCase()));
    const chosen = content.length ? content : quoted.length ? [] : plain;
    const asked = [...new Set(chosen)].map((word) => ({ word, terms: [...new Set(variants(word, languages, algorithms).flat())] }));
    return {
      asked,
      words: [...new Set(asked.flatMap((item) => item.terms))],
      phrases: quoted.map((each) => variants(each, languages, algorithms)).filter((forms) => forms.length),
      without: [...new Set(without)],
      open: /[\p{L}\p{N}]$/u.test(text),
    };
  }

  const piece = (site, name) => (site.search.buckets.includes(name) ? load(`search/${name}`) : Promise.resolve({}));

  /** Postings of one term: its word as it stands somewhere, then row, weight, row, weight … */
  const posting = async (site, term) => (await piece(site, bucket(term)))[term] || null;

  /** Terms that begin as an unfinished word does. */
  async function completions(site, word) {
    const [folded] = terms(word, null, site.search.algorithms);
    if (!folded || Array.from(folded).length < 2) return [];
    return Object.keys(await piece(site, bucket(folded))).filter((term) => term.startsWith(folded)).slice(0, 50);
  }

  function add(scores, entries) {
    for (let at = 1; at < entries.length; at += 2) scores.set(entries[at], (scores.get(entries[at]) || 0) + entries[at + 1] / WEIGHT);
  }

  function holds(all, phrase) {
    for (let at = 0; at + phrase.length <= all.length; at += 1) {
      if (phrase.every((term, step) => all[at + step] === term)) return true;
    }
    return false;
  }

  /** The rows that hold one of a phrase's forms, each with the weights of its terms; `left` counts those that hold its
   * words but were not looked at, the best having been. */
  async function ofPhrase(site, forms, textOf) {
    const scores = new Map();
    let left = 0;
    for (const form of forms) {
      const each = await Promise.all(form.map((term) => posting(site, term)));
      if (each.some((entries) => entries === null)) continue;
      const maps = each.map((entries) => {
        const own = new Map();
        add(own, entries);
        return own;
      });
      const weight = (row) => maps.reduce((sum, own) => sum + own.get(row), 0);
      const common = [...maps[0].keys()].filter((row) => maps.every((own) => own.has(row))).sort((a, b) => weight(b) - weight(a) || a - b);
      left += Math.max(0, common.length - PHRASES_CHECKED);
      for (const row of common.slice(0, PHRASES_CHECKED)) {
        const { language, words: said } = await textOf(row);
        if (holds(terms(said, language, site.search.algorithms), form)) {
          scores.set(row, (scores.get(row) || 0) + weight(row));
        }
      }
    }
    return { held: scores, left };
  }

  /** Rows that a query finds, the best first; `terms` are those to mark, `missing` the words that nothing holds. */
  async function find(query, site, textOf, fits) {
    const parsed = parse(query, site);
    const scores = new Map();
    const marked = new Set([...parsed.words, ...parsed.phrases.flat(2)]);
    const missing = [];
    for (const [at, { word, terms: own }] of parsed.asked.entries()) {
      let found = await Promise.all(own.map((term) => posting(site, term)));
      if (found.every((entries) => entries === null)) {
        const begun = parsed.open && at === parsed.asked.length - 1 ? await completions(site, word) : [];
        if (!begun.length) missing.push({ word, terms: own });
        for (const term of begun) marked.add(term);
        found = await Promise.all(begun.map((term) => posting(site, term)));
      }
      const once = own.filter((term) => !parsed.asked.slice(0, at).some((other) => other.terms.includes(term)));
      found.forEach((entries, place) => entries && (found.length !== own.length || once.includes(own[place])) && add(scores, entries));
    }
    let rows = scores;
    let unread = 0;
    for (const forms of parsed.phrases) {
      const { held, left } = await ofPhrase(site, forms, textOf);
      unread += left;
      const joined = new Map();
      for (const [row, score] of held) if (rows === scores || rows.has(row)) joined.set(row, score + (rows.get(row) || 0));
      rows = joined;
    }
    for (const term of parsed.without) {
      const entries = await posting(site, term);
      for (let at = 1; entries && at < entries.length; at += 2) rows.delete(entries[at]);
    }
    const round = (score) => Math.round(score * 1e4) / 1e4;
    const ranked = [...rows].filter(([row]) => fits(row)).map(([row, score]) => ({ row, score: round(score) }));
    ranked.sort((a, b) => b.score - a.score || a.row - b.row);
    return { ranked, unread, terms: marked, missing, empty: !parsed.words.length && !parsed.phrases.length };
  }

  /** Letters to change, take away, add or swap from one word to another; more than `most` count as `most + 1`. */
  function edits(one, other, most) {
    if (Math.abs(one.length - other.length) > most) return most + 1;
    let before = [];
    let row = Array.from({ length: other.length + 1 }, (_, at) => at);
    for (let i = 1; i <= one.length; i += 1) {
      const next = [i];
      for (let j = 1; j <= other.length; j += 1) {
        const cost = one[i - 1] === other[j - 1] ? 0 : 1;
        next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + cost);
        if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) next[j] = Math.min(next[j], before[j - 2] + 1);
      }
      [before, row] = [row, next];
    }
    return row[other.length];
  }

  /** The query with each word that nothing holds put into one that begins alike and is nearly the same. */
  async function suggestion(query, missing, site) {
    let text = query;
    for (const { word, terms: own } of missing) {
      if (word.length < 4) continue;
      const most = word.length < 6 ? 1 : 2;
      let best = null;
      const folded = terms(word, null, site.search.algorithms).join("");
      for (const term of own) {
        const letters = Array.from(term);
        const names = new Set([bucket(term), bucket([letters[1], letters[0], ...letters.slice(2)].join("")), bucket([letters[0], letters[2]].join("")), bucket([letters[0], letters[2], letters[1]].join(""))]);
        for (const name of names) {
          for (const [other, entries] of Object.entries(await piece(site, name))) {
            if (edits(term, other, most) > most) continue;
            const spelt = entries[0] || other; // of those whose terms are near the word that is most like the one typed
            const distance = edits(folded, terms(spelt, null, site.search.algorithms).join(""), 20);
            if (!best || distance < best.distance) best = { distance, word: spelt };
          }
        }
      }
      if (best) text = text.replace(word, word === word.toLowerCase() ? best.word.toLowerCase() : best.word);
    }
    return text === query ? null : text;
  }

  return { find, suggestion, parse, bucket };
})();
