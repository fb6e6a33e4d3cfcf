// A small line chart of an item's days.

import { date, el, nothing, plural, svg } from "./dom.js";

const WIDTH = 960, HEIGHT = 146, LEFT = 4, RIGHT = 956, TOP = 12, BOTTOM = 142;

export function curve(days) {
  const shown = [["view", "looked at"], ["purchase", "bought"]].filter(([kind]) => days.some((day) => day[kind]));
  if (days.length < 2 || !shown.length) return nothing("There is not enough to draw yet.");
  const most = Math.max(...days.flatMap((day) => shown.map(([kind]) => day[kind])));
  const x = (n) => LEFT + (n * (RIGHT - LEFT)) / (days.length - 1);
  const y = (value) => BOTTOM - (value * (BOTTOM - TOP)) / most;
  const total = (kind) => days.reduce((sum, day) => sum + day[kind], 0);
  const told = shown.map(([kind, word]) => `${word} ${plural(total(kind), "time")}`).join(", ");
  const label = `From ${date(days[0].ds)} to ${date(days.at(-1).ds)}: ${told}, at most ${most} on a day.`;
  const drawing = svg("svg", { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  drawing.append(svg("line", { class: "axis", x1: LEFT, x2: RIGHT, y1: BOTTOM, y2: BOTTOM }));
  for (const [kind] of shown) {
    const points = days.map((day, n) => `${x(n).toFixed(1)},${y(day[kind]).toFixed(1)}`);
    drawing.append(svg("path", { class: `area ${kind}`, d: `M${LEFT},${BOTTOM}L${points.join("L")}L${RIGHT},${BOTTOM}Z` }));
    drawing.append(svg("polyline", { class: `line ${kind}`, points: points.join(" ") }));
  }
  const key = shown.map(([kind, word]) => el("span", { class: `key ${kind}` }, `${word} ${plural(total(kind), "time")}`));
  const ends = el("div", { class: "ends facts", "aria-hidden": "true" }, el("span", {}, date(days[0].ds)), el("span", {}, date(days.at(-1).ds)));
  return el("figure", {}, drawing, ends, el("figcaption", {}, key, el("span", { class: "facts" }, `at most ${most} a day`)));
}
