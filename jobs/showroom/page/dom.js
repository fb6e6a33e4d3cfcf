// Elements from data. Whatever a shop calls its goods ends up in text nodes and attributes, never in markup.

/** An element with attributes and children; functions become listeners, null and false are left out. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [name, of] of Object.entries(value)) made.style.setProperty(name, of);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...present(children));
  return made;
}

const present = (children) => children.flat(3).filter((child) => child !== null && child !== undefined && child !== false);

/** Have nothing but these in a place; null and false are left out. */
export function put(place, ...children) {
  place.replaceChildren(...present(children));
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** An address within the page. */
export function to(view, values = {}) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(given).toString();
  return `#/${view}${query ? `?${query}` : ""}`;
}

/** Tell what happens to those who do not see it. */
export function say(text) {
  document.getElementById("status").textContent = text;
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
export const date = (day) =>
  new Date(`${day}T00:00:00Z`).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
export const money = (price) => (price === null || price === undefined ? "" : price.toFixed(2));
export const ago = (seconds) => {
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]])
    if (seconds >= length) return `${plural(Math.floor(seconds / length), unit)} ago`;
  return "just now";
};

/** A colour of its own for each category, from its name. */
function hue(text) {
  let sum = 7;
  for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}

/** A small tile in place of a picture: the category's colour, the title's first letter. */
export function tile(card, large = false) {
  const letter = [...(card.title || card.item)].find((sign) => /[\p{L}\p{N}]/u.test(sign)) || [...card.item][0];
  const style = { "--hue": hue(card.category || card.item) };
  return el("span", { class: large ? "tile large" : "tile", style, "aria-hidden": "true" }, letter.toUpperCase());
}

/** An item's title, leading to its page. */
export function item(card) {
  return el("a", { class: "title", href: to("item", { id: card.item }) }, card.title || card.item);
}

/** Category, price and stock of a card, in one quiet line. */
export function facts(card, price = card.price) {
  const parts = [card.category, money(price), card.in_stock === false ? "out of stock" : null];
  return el("span", { class: "facts" }, parts.filter(Boolean).join(" · ") || card.item);
}

/** Grey lines that hold the place of what is being fetched. */
export function waiting(lines, text = "Loading") {
  say(text);
  const rows = Array.from({ length: lines }, () => el("div", { class: "ghost" }));
  return el("div", { class: "waiting", role: "presentation" }, rows);
}

export function failed(error, again) {
  say(`That did not work: ${error.message}`);
  const button = again && el("button", { type: "button", class: "quiet", onclick: again }, "Try again");
  return el("div", { class: "failed", role: "alert" }, el("strong", {}, "That did not work. "), error.message, " ", button);
}

export const nothing = (text) => el("p", { class: "nothing" }, text);

/** Fill a place with what is fetched: its ghost first, then the content, or why there is none. */
export async function fill(place, lines, fetched, show) {
  put(place, waiting(lines));
  place.setAttribute("aria-busy", "true");
  try {
    put(place, show(await fetched()));
    say("Ready");
  } catch (error) {
    if (error.name === "AbortError") return;
    put(place, failed(error, () => fill(place, lines, fetched, show)));
  } finally {
    place.removeAttribute("aria-busy");
  }
}
