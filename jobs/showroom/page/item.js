// An item: what it is, how it fared, what stands beside it.

import { ask } from "./ask.js";
import { curve } from "./curve.js";
import { el, facts, fill, item as link, nothing, tile } from "./dom.js";

const NAMES = { basket: "Goes well with it", product: "Similar" };

function shelf(list) {
  const name = NAMES[list.surface] || list.surface;
  const card = (each) => el("li", {}, tile(each), el("span", { class: "what" }, link(each), facts(each)));
  const cards = list.entries?.length ? el("ul", { class: "cards" }, list.entries.map(card)) : nothing("Nothing is known to stand beside it.");
  const whose = list.entries && list.fallback !== "item" && list.entries.length
    ? el("p", { class: "hint" }, "It has no list of its own yet: this is what sells.") : null;
  return el("section", { class: "pane" }, el("h2", {}, name), list.missing ? nothing("Nothing is published here.") : [whose, cards]);
}

export async function item(main, { id }) {
  await fill(main, 12, () => ask("item", { item: id }), ({ card, curve: days, facts: known, lists }) => {
    document.title = `${card.title || card.item} · Nightshelf`;
    const trend = known.trend === undefined ? null : known.trend > 0.1 ? "rising" : known.trend < -0.1 ? "falling" : "steady";
    const told = [["Bought in 30 days", known.purchases_30d], ["Looked at in 7 days", known.views_7d], ["Buyers in 90 days", known.buyers], ["Trend", trend],
      ["In the shop for", known.age_days === undefined ? null : `${Math.round(known.age_days)} days`]];
    return [
      el("div", { class: "headline product" }, tile(card, true), el("div", {}, el("h1", {}, card.title || card.item), facts(card),
        el("p", { class: "facts" }, el("code", {}, card.item), card.brand ? ` · ${card.brand}` : ""))),
      el("section", { class: "pane" }, el("h2", {}, "How it fared"), curve(days),
        el("dl", { class: "meta" }, told.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))))),
      el("div", { class: "columns even" }, lists.map(shelf))];
  });
}
