// Which view the address names, and how one gets from one to the next.

import { leave } from "./ask.js";
import { failed, put } from "./dom.js";
import { compare } from "./compare.js";
import { item } from "./item.js";
import { shopper } from "./shopper.js";
import { start } from "./start.js";
import { versions } from "./versions.js";

const VIEWS = { "": start, shopper, compare, item, versions };
const TITLES = { "": "Shoppers", shopper: "Shopper", compare: "What changed", item: "Item", versions: "Versions" };
let shown = null;

async function show() {
  if (location.hash === "#main") return;
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const view = path in VIEWS ? path : "";
  const main = document.getElementById("main");
  const values = Object.fromEntries(new URLSearchParams(query || ""));
  leave();
  document.title = `${TITLES[view]} · Nightshelf`;
  for (const link of document.querySelectorAll("nav a[data-view]"))
    if ((link.dataset.view === "versions") === (view === "versions")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  try {
    await VIEWS[view](main, values);
  } catch (error) {
    if (error.name !== "AbortError") put(main, failed(error, show));
  }
  // Whoever reads by ear or keyboard begins at the top of the new view; a first load leaves the focus alone.
  if (shown !== null && shown !== view) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  shown = view;
}

addEventListener("hashchange", show);
show();
