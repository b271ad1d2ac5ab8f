"use strict";
/* A page or frame with its boxes: pointing at a box tells the text beside it, and the other way round. */
folioscope.sheet = (() => {
  const { h, place, folder, memory } = folioscope;
  const UNSURE = 0.8;
  const SIZES = [null, 0.5, 0.75, 1, 1.5, 2]; // null fits the window; 1 is the size at which the page was read

  /** `onpoint(index or null)` when the pointer is over a box, `onpick(index)` when one is chosen. */
  return function sheet({ onpoint, onpick }) {
    const paper = h("div", { class: "paper" });
    const root = h("div", { class: "sheet", tabindex: "0", role: "group", "aria-label": "Picture with boxes" }, paper);
    let boxes = [];
    let size = 0;
    let width = null;
    let longest = null;
    let address = ""; // of the picture as large as the page was read; empty where there is none
    let isSharp = false;
    let cause = null; // why there is none

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

    /** The first size that is larger than what fits the window. */
    function larger(share) {
      const found = SIZES.findIndex((other) => other && other > 1.05 * share);
      return found < 0 ? SIZES.length - 1 : found;
    }

    /** Load the sharp picture once the kept one is shown larger than it is; it takes the other's place when it is there. */
    async function sharpen() {
      const picture = paper.querySelector("img");
      const wanted = address;
      if (!picture || !wanted || isSharp) return;
      await picture.decode().catch(() => null);
      if (wanted !== address || isSharp || paper.clientWidth * devicePixelRatio <= 1.05 * picture.naturalWidth) return;
      const sharp = h("img", { src: wanted, alt: picture.alt, class: "sharp", draggable: "false" });
      try {
        await sharp.decode();
      } catch {
        if (wanted === address) [address, cause] = ["", "the sharp picture is missing from the report's folder; write the report again"];
        return;
      }
      if (wanted !== address || isSharp) return;
      isSharp = true;
      picture.replaceWith(sharp);
    }
    new ResizeObserver(sharpen).observe(paper);

    return {
      root,
      paper,
      /** Show a segment: its head (size, picture) and, once loaded, its blocks and what its text lacks. */
      show(asset, head, { blocks, omissions }, name) {
        width = head?.width || null;
        longest = head?.width ? Math.max(head.width, head.height || 0) : null;
        const usual = asset.kind === "video" ? 16 / 9 : 0.707;
        const ratio = head && head.width && head.height ? head.width / head.height : head ? usual : 3; // nothing to see: a slip
        paper.style.aspectRatio = String(ratio);
        paper.style.setProperty("--ratio", String(ratio));
        paper.classList.toggle("drawn", !head?.picture && !head?.sharp);
        boxes = [];
        const pictures = `${folder}/doc/${asset.id.slice(0, 2)}/${asset.id}/${head?.n}`;
        address = head?.sharp ? `${pictures}-sharp.webp` : "";
        isSharp = Boolean(address) && !head.picture;
        cause = asset.not_sharp[head?.blurred] || null;
        const seen = head?.picture || isSharp
          ? h("img", { src: isSharp ? address : `${pictures}.webp`, alt: `Picture of ${name}`, decoding: "async", draggable: "false" })
          : h("p", { class: "no-picture", text: head ? "No picture was kept: only the boxes are drawn." : `This ${name.split(" ")[0]} was not read.` });
        const sized = blocks.map((block, index) => ({ block, index })).filter(({ block }) => block.box);
        const area = ({ block: { box } }) => (box[2] - box[0]) * (box[3] - box[1]);
        sized.sort((a, b) => area(b) - area(a)); // small ones above large ones
        const elements = sized.map(({ block, index }) => {
          const unsure = block.confidence !== null && block.confidence < UNSURE;
          const doubted = block.unsupported.length ? " doubted" : "";
          const told = `${block.kind.replace("_", " ")}${doubted ? `, ${folioscope.text.many(folioscope.text.unsupportedWords(block), "word")} not on the page` : ""}`;
          const element = h("div", { class: `box kind-${block.kind}${unsure ? " unsure" : ""}${doubted}`, data: { index }, title: told });
          boxes[index] = element;
          return place(element, block.box);
        });
        paper.replaceChildren(seen, ...elements, ...omissions.filter((found) => found.box).map((found) =>
          place(h("div", { class: "box omission", title: `Not in the text: ${found.text}` }), found.box)));
        sharpen();
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
      /** Go up or down among the sizes; gives the present one in words. */
      zoom(by) {
        if (!width) size = 0;
        else if (!size && by > 0) size = larger(paper.clientWidth / width);
        else size = Math.min(Math.max(size + by, 0), SIZES.length - 1);
        const share = SIZES[size];
        paper.style.width = share ? `${Math.round(width * share)}px` : "";
        root.classList.toggle("zoomed-in", Boolean(share));
        return share ? `${Math.round(100 * share)} %` : "Fit";
      },
      /** Why the picture is blurred and what to do, where it is shown larger than it is; else null. */
      async blurred() {
        await sharpen();
        const picture = paper.querySelector("img");
        if (!picture || !SIZES[size]) return null;
        await picture.decode().catch(() => null); // a picture that cannot be drawn says so itself
        if (!picture.naturalWidth || width * SIZES[size] <= 1.25 * picture.naturalWidth) return null;
        const from = `Enlarged from ${picture.naturalWidth} pixels`;
        if (isSharp) return `${from}, the size at which it was read. The original may be sharper.`;
        if (cause) return `${from}: ${cause}.`;
        return `${from}. The original is sharp; so is a report with --sharp-pages, or a reading with --thumbnails ${longest}.`;
      },
      toggle() {
        const bare = root.classList.toggle("bare");
        memory.set("boxes", bare ? "hidden" : "shown");
        return !bare;
      },
    };
  };
})();
