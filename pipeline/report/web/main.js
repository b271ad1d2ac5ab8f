"use strict";
/* Which view stands behind an address, the search box, the theme, and keys. Addresses lie after the # and work anywhere. */
(() => {
  const { load, link, memory, views } = folioscope;
  const main = document.getElementById("main");
  const find = document.getElementById("find");
  let view = null;
  let shown = "";
  let turn = 0;

  function address() {
    const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
    const [name = "", ...rest] = path.split("/").filter(Boolean);
    return { name: name || "archive", rest, query: Object.fromEntries(new URLSearchParams(query)) };
  }

  async function route() {
    const { name, rest, query } = address();
    const mine = (turn += 1);
    const place = `${name}/${rest.join("/")}`;
    try {
      const site = await load("site");
      if (mine !== turn) return;
      if (name !== "search") find.value = "";
      else if (document.activeElement !== find) find.value = query.q || "";
      if (place === shown && view?.update) {
        await view.update(query);
        return;
      }
      view?.close?.();
      view = null;
      shown = place;
      if (!Object.hasOwn(views, name)) throw new folioscope.Missing("There is no such view. The links above lead on.");
      document.title = `${name[0].toUpperCase()}${name.slice(1)} · Folioscope`;
      for (const tab of document.querySelectorAll("nav a")) {
        if (tab.dataset.view === name || (name === "doc" && tab.dataset.view === "archive")) tab.setAttribute("aria-current", "page");
        else tab.removeAttribute("aria-current");
      }
      document.body.dataset.view = name;
      window.scrollTo(0, 0);
      const opened = await views[name](main, site, rest, query);
      if (mine === turn) view = opened;
      else opened?.close?.();
    } catch (error) {
      folioscope.fail(error);
    }
  }

  let typing = 0;
  find.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      if (!find.value.trim()) return;
      const target = link("search", { q: find.value });
      if (address().name === "search") location.replace(target);
      else location.hash = target;
    }, 160);
  });
  find.form.addEventListener("submit", (event) => {
    event.preventDefault();
    document.querySelector(".hit")?.focus();
  });

  const dark = matchMedia("(prefers-color-scheme: dark)");
  function paint() {
    const theme = memory.get("theme", dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
  }
  document.getElementById("theme").addEventListener("click", () => {
    memory.set("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    paint();
  });
  dark.addEventListener("change", paint);
  paint();

  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  document.addEventListener("keydown", (event) => {
    const typed = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !typed) {
      event.preventDefault();
      find.focus();
      find.select();
    } else if (event.key === "Escape" && event.target === find) find.blur();
    else if (!typed) view?.key?.(event);
  });
  window.addEventListener("hashchange", route);
  route();
})();
