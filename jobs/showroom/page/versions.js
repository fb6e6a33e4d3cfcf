// Which versions of the lists stand, and what became of the last nights.

import { about, ask } from "./ask.js";
import { date, el, fill, nothing, put, to } from "./dom.js";
import { surfaces } from "./shopper.js";

const head = (...names) => el("thead", {}, el("tr", {}, names.map((name) => el("th", { scope: "col" }, name))));

function inRedis(found) {
  if (!found.versions.length) return nothing("Nothing was ever published on this surface.");
  const row = (each) => el("tr", { class: each.current ? "current" : null },
    el("th", { scope: "row" }, el("code", {}, each.version), each.current && el("span", { class: "chip bundle" }, "current"), each.arms.map((arm) => el("span", { class: "chip shopper" }, `arm ${arm}`))),
    el("td", {}, each.data_through ? date(each.data_through) : "–"), el("td", {}, each.users ?? "–"), el("td", {}, each.items ?? "–"), el("td", {}, each.k ?? "–"),
    el("td", {}, each.bundle ?? "–"), el("td", {}, each.state), el("td", {}, each.replaces ? el("code", {}, each.replaces) : "–"));
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Versions in Redis" },
    el("table", {}, head("version", "knows", "shoppers", "items", "K", "bundle", "state", "replaces"), el("tbody", {}, found.versions.map(row))));
}

function nights(found) {
  if (!found.days.length) return nothing("The lake has no lists yet.");
  const row = (day) => el("tr", {}, el("th", { scope: "row" }, date(day.ds)), el("td", {}, el("span", { class: `chip ${day.state}` }, day.state.replace("_", " "))), el("td", {}, day.text));
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Lists in the lake" }, el("table", {}, head("lists of", "state", "told"), el("tbody", {}, found.days.map(row))));
}

export async function versions(main, values) {
  const shop = await about();
  const place = el("div", { class: "fetched" });
  put(main, el("div", { class: "headline" }, el("h1", {}, "Versions")), el("div", { class: "bar" }, surfaces(shop.surfaces, "versions", values)), place);
  await fill(place, 8, () => ask("versions", { surface: values.surface }), (found) => {
    const arms = found.experiment && Object.entries(found.experiment.arms).map(([arm, share]) => `${arm} ${Math.round(100 * share)} %`).join(", ");
    return [
      found.experiment && el("p", { class: "note" }, `The experiment ${found.experiment.name} runs here: ${arms}; the rest is control.`),
      el("section", { class: "pane" }, el("h2", {}, "In Redis"), inRedis(found)),
      el("section", { class: "pane" }, el("h2", {}, "In the lake, by day"), nights(found),
        el("p", { class: "hint" }, "To see what a night changed, ", el("a", { href: to("") }, "pick a shopper"), "."))];
  });
}
