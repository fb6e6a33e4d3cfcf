// Two days' lists of a shopper, and why they differ.

import { about, follow } from "./ask.js";
import { date, el, facts, failed, item, nothing, plural, put, say, tile, to, waiting } from "./dom.js";
import { source, surfaces } from "./shopper.js";

const KINDS = {
  policy: "rule", candidates: "candidates", features: "score", shopper: "shopper", bundle: "bundle", catalogue: "catalogue", shift: "shifted", unclear: "unclear",
};
const GROUPS = [["entered", "Came in"], ["left", "Went out"], ["moved", "Moved"]];
const DID = { view: "looked at", cart: "put into the cart", purchase: "bought", rating: "rated" };

const number = (value) => (Math.abs(value) < 1e-6 ? "0" : Math.abs(value) >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toPrecision(2));

function place(change) {
  const gone = el("span", { class: "no" }, "–");
  const words = { entered: `new at ${change.after}`, left: `was at ${change.before}`, up: `up from ${change.before} to ${change.after}`, down: `down from ${change.before} to ${change.after}` };
  return el("span", { class: `place ${change.move}`, role: "img", "aria-label": words[change.move] }, change.before ?? gone, " → ", change.after ?? gone);
}

function details(change) {
  const features = change.features.length ? el("table", {}, el("caption", {}, "What moved its score most"),
    el("thead", {}, el("tr", {}, ["feature", "before", "after", "effect"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, change.features.map((each) => el("tr", {}, el("th", { scope: "row" }, each.text, " ", el("code", {}, each.name)),
      el("td", {}, number(each.before)), el("td", {}, number(each.after)), el("td", {}, `${each.effect > 0 ? "+" : "−"}${number(Math.abs(each.effect))}`))))) : null;
  const proposed = (list) => (list.length ? list.map(([name, rank]) => `${source(name)} (${rank})`).join(", ") : "no source");
  const sources = change.sources_before.length || change.sources_after.length
    ? el("dl", { class: "meta" }, el("div", {}, el("dt", {}, "Proposed before by"), el("dd", {}, proposed(change.sources_before))),
      el("div", {}, el("dt", {}, "now by"), el("dd", {}, proposed(change.sources_after)))) : null;
  return features || sources ? el("details", {}, el("summary", {}, "Features and sources"), sources, features) : null;
}

function row(change) {
  const [main, ...others] = change.causes;
  return el("li", { class: "change", "data-item": change.item, "data-cause": `${main.kind}:${main.code}` }, place(change), tile(change),
    el("div", { class: "what" }, item(change), facts(change),
      el("p", { class: "cause" }, el("span", { class: `chip ${main.kind}` }, KINDS[main.kind]), el("span", {}, main.text)),
      others.map((cause) => el("p", { class: "cause further" }, el("span", { class: `chip ${cause.kind}` }, KINDS[cause.kind]), el("span", {}, cause.text))),
      details(change)));
}

function shown(found) {
  const of = (group) => found.changes.filter((change) => (group === "moved" ? ["up", "down"].includes(change.move) : change.move === group));
  const counts = GROUPS.map(([group, name]) => `${of(group).length} ${name.toLowerCase()}`).join(", ");
  const whose = (day) => (day.whose === "user" ? "own list" : day.whose === "none" ? "no list" : `list of ${day.whose}`);
  const side = (day) => el("div", {}, el("dt", {}, date(day.standing.ds)), el("dd", {}, `${whose(day)}, bundle ${day.bundle}, ${day.standing.state.replace("_", " ")}`));
  const did = found.events.slice(0, 3).map((event) => `${DID[event.type]} ${event.title || event.item} on ${date(event.day)}`).join("; ");
  return [
    el("p", { class: "summary" }, `${counts}; ${plural(found.same, "item")} as before.`),
    el("dl", { class: "meta" }, side(found.before), side(found.after), el("div", {}, el("dt", {}, "The shopper since"), el("dd", {}, did || "did nothing"))),
    found.notes.length ? el("ul", { class: "note" }, found.notes.map((note) => el("li", {}, note))) : null,
    ...GROUPS.filter(([group]) => of(group).length).map(([group, name]) =>
      el("section", { class: "pane" }, el("h2", {}, name, el("span", { class: "count" }, of(group).length)), el("ul", { class: "changes" }, of(group).map(row)))),
    found.changes.length ? null : nothing("Both days show the same list, in the same order.")];
}

export async function compare(main, values) {
  const shop = await about();
  const after = values.to || shop.days.at(-1);
  const before = values.from || shop.days.filter((day) => day < after).at(-1);
  const { user, surface = "home" } = values;
  const days = [...new Set([...shop.days, before, after])].filter(Boolean).sort();
  const choice = (name, label, chosen) => {
    const select = el("select", { id: name, onchange: () => { location.hash = to("compare", { ...values, from: before, to: after, [name]: select.value }); } },
      days.map((day) => el("option", { value: day, selected: day === chosen }, date(day))));
    return el("label", { for: name }, label, " ", select);
  };
  const doing = el("p", { class: "doing" }, "…");
  const place = el("div", { class: "fetched", "aria-busy": "true" }, doing, waiting(8, "Comparing"));
  put(main,
    el("div", { class: "headline" }, el("h1", {}, "What changed"), el("p", { class: "facts" }, el("a", { href: to("shopper", { user, surface }) }, user))),
    el("div", { class: "bar choices" }, choice("from", "From", before), choice("to", "To", after),
      surfaces(shop.surfaces, "compare", { ...values, from: before, to: after }, (each) => each.kinds.includes("users"))), place);
  if (!before) return put(place, nothing("There are lists of one day only; come back after the next night."));
  try {
    const found = await follow("compare", { user, surface, from: before, to: after }, (text) => { doing.textContent = `${text} …`; say(text); });
    put(place, shown(found));
    say("Compared");
  } catch (error) {
    if (error.name === "AbortError") return;
    put(place, failed(error, () => compare(main, values)));
  } finally {
    place.removeAttribute("aria-busy");
  }
}
