"use strict";
/* A video from its first second to its last: chapters, shots, text on screen and evidence, each a band of one drawing. */
folioscope.timeline = (() => {
  const { h, folder, text } = folioscope;
  const STILLS = 16;

  /** `onseek(seconds)` when a moment is chosen. */
  return function timeline(asset, duration, onseek) {
    const share = (seconds) => `${(100 * Math.min(Math.max(seconds, 0), duration)) / duration}%`;
    const band = (label, cls, ...children) =>
      h("div", { class: `band ${cls}` }, h("span", { class: "band-name", text: label }), h("div", { class: "band-line" }, ...children));
    function span(start, end, given, ...children) {
      const element = h("button", { type: "button", ...given, onclick: (event) => {
        event.stopPropagation();
        onseek(start);
      } }, ...children);
      element.style.left = share(start);
      element.style.width = `${(100 * Math.max(0, Math.min(end, duration) - start)) / duration}%`;
      return element;
    }

    const shots = asset.segments;
    const pictured = shots.filter((shot) => shot.picture);
    const stills = [];
    for (let at = 0; at < Math.min(STILLS, pictured.length); at += 1) {
      const shot = pictured[Math.floor((at * pictured.length) / Math.min(STILLS, pictured.length))];
      stills.push(h("img", { src: `${folder}/doc/${asset.id.slice(0, 2)}/${asset.id}/${shot.n}.webp`, alt: "", loading: "lazy" }));
    }
    const chapters = (asset.summary?.chapters || []).map((chapter) =>
      span(chapter.start, chapter.end, { class: "chapter", title: `${chapter.title}, ${text.clock(chapter.start)}`, "aria-label": `Chapter ${chapter.title} at ${text.clock(chapter.start)}` }, h("span", { text: chapter.title })));
    const cuts = shots.map((shot) =>
      span(shot.start, shot.end, { class: "shot", tabindex: "-1", data: { n: shot.n }, title: `Shot ${shot.n}, ${text.clock(shot.start)}`, "aria-label": `Shot ${shot.n} at ${text.clock(shot.start)}` }));
    const marks = asset.answers.flatMap((answer) => answer.evidence.filter((item) => item.start !== null).map((item) =>
      span(item.start, item.end ?? item.start, { class: "proof", title: `${answer.question} ${text.clock(item.start)}`, "aria-label": `Evidence for: ${answer.question}` })));

    const said = shots.flatMap((shot) => shot.said).map(([start, end, words]) =>
      span(start, end, { class: "said", tabindex: "-1", title: `${text.clock(start)} ${words}`, "aria-label": `Text at ${text.clock(start)}: ${words}` }));
    const needle = h("div", { class: "needle" });
    const hand = h("span");
    const slider = h("input", { type: "range", class: "seek", min: "0", max: String(duration), step: "0.1", value: "0", "aria-label": "Time in the video",
      oninput: () => onseek(Number(slider.value)) });
    const root = h("section", { class: "timeline", "aria-label": "Time line" },
      stills.length ? h("div", { class: "stills", "aria-hidden": "true" }, ...stills) : null,
      h("div", { class: "bands" },
        chapters.length ? band("Chapters", "chapters", ...chapters) : null,
        band("Shots", "shots", ...cuts),
        said.length ? band("On screen", "words", ...said) : null,
        marks.length ? band("Evidence", "proofs", ...marks) : null,
        needle),
      h("div", { class: "ruler" }, hand, slider));

    return {
      root,
      show(seconds, shot) {
        slider.value = String(seconds);
        hand.textContent = `${text.clock(seconds)} / ${text.clock(duration)}`;
        slider.setAttribute("aria-valuetext", text.clock(seconds));
        needle.style.setProperty("--at", String(Math.min(1, seconds / duration)));
        for (const cut of cuts) cut.classList.toggle("here", Number(cut.dataset.n) === shot?.n);
      },
    };
  };
})();
