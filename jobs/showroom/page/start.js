// Whom to look at: found by id, by chance, by kind, or an anonymous visitor.

import { about, ask } from "./ask.js";
import { el, fill, nothing, plural, put, to } from "./dom.js";

function known(shopper) {
  if (shopper.events === null || shopper.events === undefined) return "not seen yet";
  const days = Math.floor(shopper.days_since_last);
  const last = days === 0 ? "today" : `${plural(days, "day")} ago`;
  return [plural(shopper.events, "event"), `last ${last}`, shopper.country, shopper.device].filter(Boolean).join(" · ");
}

function links(shoppers, none) {
  if (!shoppers.length) return nothing(none);
  const entry = (shopper) =>
    el("li", {}, el("a", { href: to("shopper", { user: shopper.user }) }, el("b", {}, shopper.user), el("span", { class: "facts" }, known(shopper))));
  return el("ul", { class: "people" }, shoppers.map(entry));
}

function visitors(countries) {
  const all = el("li", {}, el("a", { href: to("shopper") }, el("b", {}, "From anywhere"), el("span", { class: "facts" }, "what sells everywhere")));
  const of = (country) =>
    el("li", {}, el("a", { href: to("shopper", { country }) }, el("b", {}, `From ${country}`), el("span", { class: "facts" }, "what sells there")));
  return el("section", { class: "kind" }, el("h2", {}, "Nobody known"), el("ul", { class: "people" }, all, countries.slice(0, 2).map(of)));
}

export async function start(main) {
  const shop = await about();
  const found = el("div", { class: "found" });
  const kinds = el("div", { class: "kinds" });
  const input = el("input", { id: "who", type: "search", name: "q", autocomplete: "off", spellcheck: "false", maxlength: "256",
    placeholder: shop.pseudonyms ? "the shop’s whole customer id" : "customer id, or a part of it" });

  const search = () => {
    const q = input.value.trim();
    if (!q) return put(found);
    return fill(found, 3, () => ask("shoppers", { q }), (answer) => links(answer.found, `Nobody’s id holds “${q}”.`));
  };
  let pause;
  if (!shop.pseudonyms)
    input.addEventListener("input", () => {
      clearTimeout(pause);
      pause = setTimeout(search, 180);
    });
  const chance = async () => {
    const lucky = await ask("surprise");
    if (lucky) location.hash = to("shopper", { user: lucky.user });
  };
  const form = el("form", { role: "search", class: "search", onsubmit: (event) => { event.preventDefault(); clearTimeout(pause); search(); } },
    el("label", { for: "who" }, "Find a shopper"),
    el("div", { class: "row" }, input, el("button", { type: "submit" }, "Find"), el("button", { type: "button", class: "quiet", onclick: chance }, "Surprise me")),
    shop.pseudonyms && el("p", { class: "hint" }, "Shoppers are kept under pseudonyms: the service turns an id into its pseudonym, so only a whole id finds anybody."));

  put(main,
    el("section", { class: "hero" }, el("h1", {}, "Who gets what, and why"),
      el("p", { class: "lead" }, "Pick a shopper: what they did stands beside what they are shown."), form, found),
    kinds);
  await fill(kinds, 4, () => ask("shoppers"), (answer) => [
    ...answer.kinds.map((kind) => el("section", { class: "kind" }, el("h2", {}, kind.title), links(kind.shoppers, "Nobody yet."))),
    visitors(shop.countries)]);
}
