"use strict";
/* A page or frame with its boxes: pointing at a box tells the text beside it, and the other way round. */
folioscope.sheet = (() => {
  const { h, place, folder, memory } = folioscope;
  const UNSURE = 0.8;

  /** `onpoint(index or null)` when the pointer is over a box, `onpick(index)` when one is chosen. */
  return function sheet({ onpoint, onpick }) {
    const paper = h("div", { class: "paper" });
    const root = h("div", { class: "sheet", tabindex: "0", role: "group", "aria-label": "Picture with boxes" }, paper);
    let boxes = [];

    root.classList.toggle("bare", memory.get("boxes", "shown") === "hidden");
    const indexOf = (event) => {
      const box = event.target.closest?.(".box");
      return box ? Number(box.dataset.index) : null;
    };
    paper.addEventListener("pointerover", (event) => onpoint(indexOf(event)));
    paper.addEventListener("pointerleave", () => onpoint(null));
    paper.addEventListener("click", (event) => {
      const index = indexOf(event);
      if (index !== null) onpick(index);
    });

    return {
      root,
      paper,
      /** Show a segment: its head (size, picture) and, once loaded, its blocks. */
      show(asset, head, blocks, name) {
        const usual = asset.kind === "video" ? 16 / 9 : 0.707;
        const size = head && head.width && head.height ? head.width / head.height : head ? usual : 3; // nothing to see: a slip
        paper.style.aspectRatio = String(size);
        paper.style.setProperty("--ratio", String(size));
        paper.classList.toggle("drawn", !head?.picture);
        boxes = [];
        const seen = head?.picture
          ? h("img", { src: `${folder}/doc/${asset.id.slice(0, 2)}/${asset.id}/${head.n}.webp`, alt: `Picture of ${name}`, decoding: "async", draggable: "false" })
          : h("p", { class: "no-picture", text: head ? "No picture was kept: only the boxes are drawn." : "This page was not read." });
        const sized = blocks.map((block, index) => ({ block, index })).filter(({ block }) => block.box);
        const area = ({ block: { box } }) => (box[2] - box[0]) * (box[3] - box[1]);
        sized.sort((a, b) => area(b) - area(a)); // small ones above large ones
        const elements = sized.map(({ block, index }) => {
          const unsure = block.confidence !== null && block.confidence < UNSURE;
          const element = h("div", { class: `box kind-${block.kind}${unsure ? " unsure" : ""}`, data: { index }, title: block.kind.replace("_", " ") });
          boxes[index] = element;
          return place(element, block.box);
        });
        paper.replaceChildren(seen, ...elements);
      },
      light(index) {
        for (const box of paper.querySelectorAll(".box.lit")) box.classList.remove("lit");
        boxes[index]?.classList.add("lit");
      },
      /** Put the light on one place and dim the rest; null takes it off. */
      spot(box) {
        paper.querySelector(".spot")?.remove();
        if (!box) return;
        const element = place(h("div", { class: "spot", "aria-hidden": "true" }), box);
        paper.append(element);
        const reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
        element.scrollIntoView({ block: "center", inline: "nearest", behavior: reduced ? "auto" : "smooth" });
      },
      toggle() {
        const bare = root.classList.toggle("bare");
        memory.set("boxes", bare ? "hidden" : "shown");
        return !bare;
      },
    };
  };
})();
