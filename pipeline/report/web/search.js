"use strict";
/* Search over all text: what was asked, the filters (which stand in the address, too), and what was found. */
folioscope.search = (() => {
  const { h, load, link, text, ranking } = folioscope;
  const { terms, variants, words } = folioscope.terms;
  const SHOWN = 20;
  const CONTENT = 0, NUMBER = 1, KIND = 2, LANGUAGE = 3, FLAGS = 4, VERIFIED = 5; // of a row of "searched"

  /** Whether a word of a text is one that was asked for. `found`: its terms, where the index has told them. */
  function matcher(query, site, language = null, found = null) {
    const { languages = [], algorithms = {} } = site.search;
    const parsed = site.search.languages ? ranking.parse(query, site) : { words: [], phrases: [], open: false };
    const asked = found || new Set([...parsed.words, ...parsed.phrases.flat(2)]);
    const last = !found && parsed.open ? words(query).at(-1)?.toLowerCase() : null;
    return (word) => {
      const own = language ? terms(word, language, algorithms) : variants(word, languages, algorithms).flat();
      return own.some((term) => asked.has(term)) || Boolean(last && word.toLowerCase().startsWith(last));
    };
  }

  function snippet(whole, isFound) {
    const flat = whole.replace(/<[^<>]*>/g, " ").replace(/\s+/g, " ");
    let at = 0;
    for (const match of flat.matchAll(/[\p{L}\p{N}\p{M}]+/gu)) {
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

  /** A page or shot that was found, with its file. */
  async function loaded(row, rows, site) {
    const [content, number, kind, language] = rows[row];
    const part = await load(`contents/${Math.floor(content / site.rows_a_piece)}`);
    const [id, uri, title] = part[content % site.rows_a_piece];
    const head = await load(`doc/${id.slice(0, 2)}/${id}/head`);
    const at = head.segments.findIndex((segment) => segment.n === number);
    const segments = await load(`doc/${id.slice(0, 2)}/${id}/part/${Math.floor(at / site.segments_a_piece)}`);
    return { id, uri, title, kind, language, number, head, start: head.segments[at].start, segment: segments[at % site.segments_a_piece] };
  }

  const plain = (words) => words.replace(/<[^<>]*>/g, " ");
  const names = ({ head, title }) => [...head.uris.map((uri) => uri.split("/").pop().replaceAll("_", " ")), title || ""].join("\n");

  /** Gives a row's words as the index has them: names first, then text and caption. */
  const textOf = (rows, site) => async (row) => {
    const place = await loaded(row, rows, site);
    return { language: place.language, words: plain(`${names(place)}\n${place.segment.text}\n${place.segment.caption || ""}`) };
  };

  async function result(hit, query, found, rows, site) {
    const place = await loaded(hit.row, rows, site);
    const { segment } = place;
    const isFound = matcher(query, site, place.language, found);
    const blocks = segment.blocks.filter((block) => !["header", "footer"].includes(block.kind)).map((block) => block.text);
    let words = (blocks.join(" ").trim() ? blocks.join(" ") : segment.text) || "";
    if (segment.caption && !words.split(/\s+/u).some(isFound)) words = segment.caption;
    const where = place.kind === "shot" ? `Shot at ${text.clock(place.start)}` : `Page ${place.number}`;
    return h("a", { class: "hit", href: link(`doc/${place.id}`, { page: place.number, words: query }) },
      h("span", { class: "hit-name", title: place.uri }, ...text.marked(text.name(place.uri), isFound)),
      h("span", { class: "faint", text: where }),
      h("span", { class: "hit-text", dir: "auto" }, ...text.marked(snippet(words, isFound), isFound)));
  }

  /** The filters, each a choice among what the archive holds; choosing one changes the address. */
  function filters(rows, query) {
    const values = (pick) => [...new Set(rows.flatMap(pick).filter(Boolean))].sort();
    const choices = {
      kind: ["Pages and shots", values((row) => row[KIND]).map((kind) => [kind, kind === "shot" ? "Shots" : "Pages"])],
      language: ["All languages", values((row) => (row[LANGUAGE] || "").split("-")[0]).map((tag) => [tag, tag])],
      verified: ["Verified or not", new Set(rows.map((row) => row[VERIFIED])).size < 2 ? [] : [["yes", "Verified text"], ["no", "A model's word alone"]]],
      flag: ["Any flags", values((row) => row[FLAGS]).map((flag) => [flag, text.capital(flag)])],
    };
    const selects = Object.entries(choices).filter(([name, [, options]]) => options.length > (name === "flag" ? 0 : 1)).map(([name, [all, options]]) => {
      const select = h("select", { "aria-label": all, onchange: () => location.replace(link("search", { ...query, [name]: select.value })) },
        h("option", { value: "", text: all }), ...options.map(([value, label]) => h("option", { value, text: label, selected: query[name] === value })));
      return select;
    });
    const fits = (number) => {
      const row = rows[number];
      return (!query.kind || row[KIND] === query.kind)
        && (!query.language || (row[LANGUAGE] || "").split("-")[0] === query.language)
        && (!query.verified || row[VERIFIED] === (query.verified === "yes"))
        && (!query.flag || row[FLAGS].includes(query.flag));
    };
    return { fits, tools: h("div", { class: "tools" }, ...selects) };
  }

  const quoted = (words) => `'${words.replaceAll("'", "'\\''")}'`;

  /** An archive too large for a page to search: how it is searched. */
  function tooLarge(site, asked) {
    return h("div", { class: "page narrow" }, h("h1", { text: "Search" }),
      h("p", { text: `This archive has ${text.count(site.search.segments)} pages and shots. A report is searched up to ${text.count(site.search.most)}; above that, ask the index that lies beside the tables:` }),
      h("pre", { class: "source", tabindex: "0", text: `folioscope search ${quoted(site.output)} ${quoted(asked || "WORDS")}` }));
  }

  async function show(main, site, query) {
    const asked = query.q || "";
    if (site.search.most) {
      main.replaceChildren(tooLarge(site, asked));
      return;
    }
    const rows = await load("searched");
    const note = h("p", { class: "faint" });
    const box = h("div", { class: "hits" });
    const { fits, tools } = filters(rows, query);
    const found = await ranking.find(asked, site, textOf(rows, site), fits);
    const other = await ranking.suggestion(asked, found.missing, site);
    const documents = new Set(found.ranked.map((hit) => rows[hit.row][CONTENT])).size;
    const whole = found.ranked.length ? `${text.many(found.ranked.length, "place")} in ${text.many(documents, "file")} for “${asked}”` : "";
    const unread = found.unread ? ` ${text.many(found.unread, "more page or shot", "more pages and shots")} with all words of the phrase were not looked at; folioscope search looks at all.` : "";
    note.textContent = (whole || (found.empty ? "Type words to find them in every page, shot and file name." : `Nothing holds the words of “${asked}”.`)) + unread;
    const meant = other ? h("p", { class: "meant" }, "Did you mean ", h("a", { href: link("search", { ...query, q: other }), text: other }), "?") : "";
    main.replaceChildren(h("div", { class: "page narrow" }, h("h1", { text: "Search" }), tools, note, meant, box));
    folioscope.tell(note.textContent);
    let shown = 0;
    const more = h("button", { type: "button", class: "more", text: "Show more", onclick: () => next() });
    async function next() {
      const some = found.ranked.slice(shown, shown + SHOWN);
      shown += some.length;
      more.remove();
      box.append(...(await Promise.all(some.map((hit) => result(hit, asked, found.terms, rows, site)))));
      if (shown < found.ranked.length) box.append(more);
    }
    await next();
  }

  folioscope.views.search = async (main, site, _path, query) => {
    let turn = 0;
    const update = async (now) => {
      turn += 1;
      const mine = turn;
      const aside = document.createElement("div");
      await show(aside, site, now);
      if (mine === turn) main.replaceChildren(...aside.childNodes);
    };
    await update(query);
    return { update };
  };

  /** The pages that a query finds in their order, for tests that hold it beside the command's. */
  async function places(query, site, limit) {
    const rows = await load("searched");
    const { ranked } = await ranking.find(query, site, textOf(rows, site), () => true);
    return Promise.all(ranked.slice(0, limit).map(async (hit) => {
      const place = await loaded(hit.row, rows, site);
      return [place.uri, rows[hit.row][NUMBER]];
    }));
  }

  return { matcher, places };
})();
