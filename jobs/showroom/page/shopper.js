// A shopper: history and list, side by side.

import { about, ask, follow } from "./ask.js";
import { ago, date, el, facts, failed, fill, item, nothing, plural, put, say, tile, to } from "./dom.js";

const DID = { view: "Looked at", cart: "Into the cart", purchase: "Bought", rating: "Rated" };
const SOURCES = {
  own_items: "own items", co_visitation: "co-visitation", two_tower: "two-tower", linear: "linear model", next_visit: "next visit",
  ials: "factors", popular: "popular", new_items: "new items", content: "likeness",
};
export const source = (name) => SOURCES[name] || name;

/** The surfaces as links; each keeps whatever else the address says. */
export function surfaces(all, view, values, only = () => true) {
  const current = values.surface || "home";
  const link = (surface) =>
    el("a", { href: to(view, { ...values, surface: surface.name }), "aria-current": surface.name === current ? "page" : null, title: surface.description }, surface.name);
  return el("nav", { class: "tabs", "aria-label": "Surface" }, all.filter(only).map(link));
}

function history(found) {
  if (!found.rows.length) return nothing("Nothing is known of this shopper yet.");
  const row = (each) => {
    const often = each.times > 1 ? `${each.times} times` : null;
    const what = [DID[each.type], each.value !== null && each.type === "rating" ? each.value : null, often].filter((part) => part !== null).join(" ");
    const pieces = each.quantity > 1 ? `${each.quantity} pieces` : null;
    return el("li", { class: "entry", "data-item": each.item }, tile(each),
      el("span", { class: "what" }, item(each), facts(each, each.paid ?? each.price)),
      el("span", { class: `did ${each.type}` }, [what, pieces].filter(Boolean).join(", ")));
  };
  const day = ([name, rows]) => el("section", { class: "day" }, el("h3", {}, date(name)), el("ul", { class: "entries" }, rows.map(row)));
  const more = found.events > found.rows.length ? el("p", { class: "hint" }, `${plural(found.events, "event")} in all; the latest ones are shown.`) : null;
  return [[...byDay(found.rows)].map(day), more];
}

function byDay(rows) {
  const days = new Map();
  for (const row of rows) days.set(row.day, [...(days.get(row.day) || []), row]);
  return days;
}

/** One entry of a list. */
export function entry(each, had = {}, light = () => {}) {
  const times = had[each.item];
  const had_it = times && (times.purchase ? `bought ${times.purchase}×` : `seen ${Object.values(times).reduce((a, b) => a + b, 0)}×`);
  const chance = each.probability === null || each.probability === undefined ? null
    : el("span", { class: "chance", title: "chance that the shopper touches it soon" }, `${(100 * each.probability).toFixed(each.probability < 0.1 ? 1 : 0)} %`);
  const on = () => light(each.reason?.item || each.item, true);
  const off = () => light(each.reason?.item || each.item, false);
  return el("li", { class: "entry", "data-item": each.item, onmouseenter: on, onmouseleave: off, onfocusin: on, onfocusout: off },
    el("span", { class: "rank" }, each.rank), tile(each), el("span", { class: "what" }, item(each), facts(each)),
    el("span", { class: "why" },
      each.reason && el("span", { class: `reason ${each.reason.code}` }, each.reason.text),
      el("span", { class: "from" }, [each.source && source(each.source), had_it].filter(Boolean).join(" · ")), chance,
      el("span", { class: "all", "data-sources": each.item })));
}

function told(list) {
  const whose = { user: "own list", item: "list of the item", all: "everybody’s list", none: "no list" }[list.fallback] || `list of ${list.fallback}`;
  const parts = [["Whose", whose], ["Knows", list.data_through && date(list.data_through)],
    ["Made", list.age_seconds === null ? null : ago(list.age_seconds)], ["Bundle", list.bundle],
    ["Arm", list.experiment ? `${list.arm || "control"} (${list.experiment})` : null]];
  const shown = parts.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  return [
    list.stale && el("p", { class: "note warn", role: "alert" }, el("b", {}, "These lists are old. "), `They were made ${ago(list.age_seconds)} and know nothing after ${date(list.data_through)}.`),
    list.beside && el("p", { class: "hint" }, "Beside ", item(list.beside), ", which the shopper touched last."),
    el("dl", { class: "meta" }, shown, el("div", {}, el("dt", {}, "Version"), el("dd", {}, el("code", {}, list.version || "none"))))];
}

/** A button that asks who else proposed the items; the day has to be read for it, which takes a moment. */
function everySource(user, list) {
  const button = el("button", { type: "button", class: "quiet", onclick: async () => {
    button.disabled = true;
    try {
      const found = await follow("sources", { user, ds: list.data_through, surface: list.surface }, (doing) => { button.textContent = `${doing} …`; say(doing); });
      for (const place of document.querySelectorAll("[data-sources]")) {
        const all = found[place.dataset.sources];
        place.textContent = all && all.length ? `proposed by ${all.map(([name, rank]) => `${source(name)} (${rank})`).join(", ")}` : "fills up the list";
      }
      button.remove();
      say("Sources are shown");
    } catch (error) {
      if (error.name !== "AbortError") button.replaceWith(failed(error));
    }
  } }, "Show all sources");
  return button;
}

export async function shopper(main, values) {
  const shop = await about();
  const { user, country } = values;
  const surface = values.surface || "home";
  const left = el("div", { class: "fetched" }), right = el("div", { class: "fetched" });
  const name = user || (country ? `A visitor from ${country}` : "An anonymous visitor");
  const light = (id, on) => {
    for (const row of left.querySelectorAll("[data-item]")) row.classList.toggle("lit", on && row.dataset.item === id);
  };
  const comparable = user && shop.days.length > 1 && shop.surfaces.some((s) => s.name === surface && s.kinds.includes("users"));
  const compare = comparable && el("a", { class: "button", href: to("compare", { user, surface }) }, "What changed since yesterday?");
  put(main,
    el("div", { class: "headline" }, el("h1", { class: "id" }, name), el("p", { class: "facts", id: "known" }, " "), compare),
    el("div", { class: "columns" },
      user && el("section", { class: "pane", "aria-labelledby": "did" }, el("h2", { id: "did" }, "History"), left),
      el("section", { class: "pane list", "aria-labelledby": "gets" },
        el("div", { class: "bar" }, el("h2", { id: "gets" }, "List"), surfaces(shop.surfaces, "shopper", values)), right)));

  const past = user ? fill(left, 10, () => ask("history", { user }), (found) => {
    const known = found.shopper;
    main.querySelector("#known").textContent = [plural(found.events, "event"), `on ${plural(found.days, "day")}`, known?.country, known?.device].filter(Boolean).join(" · ");
    left.had = found.items;
    return history(found);
  }) : Promise.resolve();
  await fill(right, 12, async () => {
    const list = await ask("list", { user, surface, country, k: 30 });
    await past;
    return list;
  }, (list) => {
    const rows = list.entries.map((each) => entry(each, left.had, light));
    const all = user && list.fallback === "user" && list.in_lake ? everySource(user, list) : null;
    return [told(list), all,
      rows.length ? el("ol", { class: "entries ranked" }, rows) : nothing("Nothing is shown here, and that is meant: this surface has nothing for this shopper today.")];
  });
}
