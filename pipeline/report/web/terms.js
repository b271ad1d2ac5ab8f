"use strict";
/* From a text to the terms by which it is found, exactly as pipeline/search/analysis.py cuts it. */
folioscope.terms = (() => {
  const LONGEST = 64;
  const GROUP = ",.'’\\u00a0\\u2009\\u202f";
  const NUMBER = `[0-9]{1,3}(?:[${GROUP}][0-9]{3})+(?![0-9])(?:[.,][0-9]+)?|[0-9]+(?:[.,][0-9]+)?`;
  const TOKEN = new RegExp(`${NUMBER}|[\\p{L}\\p{N}\\p{Mn}\\p{Mc}]+`, "gu");
  const UNSPACED = /([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\u{20000}-\u{3ffff}]+)/u;
  const ACCENTED = /^[a-zα-ωа-яء-ي\u05d0-\u05ea]/u;
  const LETTERS = { ß: "ss", ø: "o", đ: "d", ð: "d", ł: "l", ı: "i", æ: "ae", œ: "oe", þ: "th", ς: "σ", ـ: "" };
  const LETTER = /[ßøđðłıæœþςـ]/gu;
  const DIGITS = [0x0660, 0x06f0, 0x0966];
  const stemmers = new Map();
  const known = new Map();

  const digits = (text) => text.replace(/[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f]/gu, (digit) => {
    const code = digit.codePointAt(0);
    return String(code - DIGITS.findLast((first) => first <= code));
  });
  const letters = (word) => word.replace(LETTER, (letter) => LETTERS[letter]);

  /** The stemmer of a language, by the name of Snowball's algorithm that the site gives for it. */
  function stemmer(language, algorithms) {
    const name = algorithms[language];
    if (!name) return null;
    if (!stemmers.has(name)) {
      const made = globalThis[`${name[0].toUpperCase()}${name.slice(1)}Stemmer`];
      stemmers.set(name, made ? new made() : null);
    }
    return stemmers.get(name);
  }

  const key = (tag) => (tag || "").split("-")[0].toLowerCase();

  function fold(word) {
    const lower = letters(word.toLowerCase());
    if (/^[\x00-\x7f]*$/.test(lower)) return lower;
    const kept = [];
    for (const character of lower.normalize("NFKD")) {
      if (!/\p{Mn}/u.test(character) || !kept.length) kept.push(character);
      else if (kept[kept.length - 1] === "и" && character === "\u0306") kept[kept.length - 1] = "й";
      else if (!ACCENTED.test(kept[kept.length - 1])) kept.push(character);
    }
    return letters(kept.join("").normalize("NFC"));
  }

  function number(word) {
    const parts = word.split(new RegExp(`[${GROUP}]`, "u"));
    if (parts.length === 1) return word;
    if (parts.slice(1).every((part) => part.length === 3)) return parts.join("");
    return `${parts.slice(0, -1).join("")}.${parts[parts.length - 1]}`;
  }

  const cut = (word) => Array.from(word).slice(0, LONGEST).join("");

  function ofWord(word, language, algorithms) {
    if (/^[0-9]/.test(word)) return [number(word)];
    const own = stemmer(language, algorithms);
    const stem = (part) => (own ? own.stemWord(cut(part)) : cut(part));
    const folded = fold(word);
    if (!UNSPACED.test(folded)) return [stem(folded)];
    return folded.split(UNSPACED).filter(Boolean).flatMap((part) => {
      if (!UNSPACED.test(part)) return [stem(part)];
      const each = Array.from(part);
      return each.length === 1 ? each : each.slice(1).map((letter, at) => each[at] + letter);
    });
  }

  /** The terms of a text in order, as a language cuts them; without one, words keep their form. */
  function terms(text, language, algorithms) {
    const tag = key(language);
    return (digits(text.normalize("NFKC")).match(TOKEN) || []).flatMap((word) => {
      const name = `${tag} ${word}`;
      if (!known.has(name)) {
        if (known.size > 50_000) known.clear();
        known.set(name, ofWord(word, tag, algorithms));
      }
      return known.get(name);
    });
  }

  /** The words of a text as they stand. */
  const words = (text) => digits(text).match(TOKEN) || [];

  /** The terms of one word of a query in each language of the archive, each form once. */
  function variants(word, languages, algorithms) {
    const forms = [null, ...languages].map((language) => terms(word, language, algorithms)).filter((form) => form.length);
    return forms.filter((form, at) => forms.findIndex((other) => other.join(" ") === form.join(" ")) === at);
  }

  return { terms, words, variants };
})();
