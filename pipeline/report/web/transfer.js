"use strict";
/* What leaves the report: text copied, Markdown and CSV downloaded, and links to the files themselves. */
folioscope.transfer = (() => {
  const { h, load, text } = folioscope;

  /** Put words on the clipboard; the button says so. */
  async function copy(words, button) {
    try {
      await navigator.clipboard.writeText(words);
    } catch { // a page served without TLS may not; the old way still works there
      const area = h("textarea", { class: "unseen", "aria-hidden": "true" });
      area.value = words;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    const before = button.textContent;
    button.textContent = "Copied";
    folioscope.tell("Copied");
    setTimeout(() => (button.textContent = before), 1500);
  }

  function download(name, type, words) {
    const address = URL.createObjectURL(new Blob([words], { type: `${type};charset=utf-8` }));
    const anchor = h("a", { href: address, download: name });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  /** Rows as CSV. What a spreadsheet would take for a formula gets an apostrophe: a document wrote it. */
  function csv(rows) {
    const cell = (value) => {
      const words = value === null || value === undefined ? "" : String(value);
      const safe = /^[=+\-@\t\r]/.test(words) && Number.isNaN(Number(words)) ? `'${words}` : words;
      return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    return `\ufeff${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
  }

  /** A table's cells as rows; a cell that spans several stands in the first, and leaves the others empty. */
  function cells(table) {
    const rows = [];
    [...table.querySelectorAll("tr")].forEach((line, at) => {
      rows[at] ??= [];
      let column = 0;
      for (const cell of line.children) {
        while (rows[at][column] !== undefined) column += 1;
        const [wide, high] = [Number(cell.getAttribute("colspan") || 1), Number(cell.getAttribute("rowspan") || 1)];
        for (let down = 0; down < high; down += 1) {
          rows[at + down] ??= [];
          for (let right = 0; right < wide; right += 1) rows[at + down][column + right] = down || right ? "" : cell.textContent.trim();
        }
        column += wide;
      }
    });
    return rows.map((row) => Array.from(row, (value) => value ?? ""));
  }

  const stem = (uri) => text.name(uri).replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}._ -]/gu, "_") || "file";

  /** All pages or shots of a file as one Markdown text. */
  async function markdown(asset, site) {
    const noun = ["video", "audio"].includes(asset.kind) ? "shot" : "page";
    const parts = [`# ${asset.title || text.name(asset.uris[0])}`];
    for (let part = 0; part * site.segments_a_piece < asset.segments.length; part += 1) {
      for (const segment of await load(`doc/${asset.id.slice(0, 2)}/${asset.id}/part/${part}`)) {
        const head = asset.segments.find((one) => one.n === segment.n);
        parts.push(`<!-- ${noun} ${segment.n}${head.start === null ? "" : `, ${text.clock(head.start)}`} -->`, segment.text, ...(segment.caption ? [`*${segment.caption}*`] : []));
      }
    }
    return `${parts.filter(Boolean).join("\n\n")}\n`;
  }

  /** Where a browser can open a file, at a page or second; null where it cannot, as in a bucket. */
  function original(asset, head) {
    const uri = asset.uris[0];
    const isWeb = /^https?:\/\//.test(uri);
    const isLocal = uri.startsWith("file://") || uri.startsWith("/");
    if (!isWeb && !(isLocal && location.protocol === "file:")) return null;
    const address = uri.startsWith("/") ? `file://${uri.split("/").map(encodeURIComponent).join("/")}` : uri;
    const at = !head ? "" : head.start !== null ? `#t=${head.start}` : asset.kind === "pdf" ? `#page=${head.n}` : "";
    return `${address}${at}`;
  }

  const button = (label, title, does) => h("button", { type: "button", class: "quiet small", title, text: label, onclick: (event) => does(event.currentTarget) });

  return { copy, download, csv, cells, stem, markdown, original, button };
})();
