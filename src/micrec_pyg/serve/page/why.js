// Why an item is in a list: parts of its score that add up to it.

import { explain } from "./api.js";
import { count, h, number } from "./dom.js";
import { nameOf } from "./titles.js";

const SHOWN = 6;
const KINDS = {
  "history item": "in the history",
  "template item": "as a template",
  "similar people": "what they have",
  "the rest": "not from the history",
  "what anybody gets": "the model knows nothing of this person",
};

/** Return an element that shows the parts of a score, or why there are none. */
export async function reasons(model, state, item) {
  try {
    const { score, parts } = await explain(model, state, item);
    return h("div", {}, table(parts, score));
  } catch (error) {
    return h("p", { class: "note" }, error.message);
  }
}

function table(parts, score) {
  const rows = grouped(parts).sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const shown = rows.length > SHOWN + 1 ? rows.slice(0, SHOWN) : rows;
  if (shown.length < rows.length) {
    const others = rows.slice(SHOWN);
    const value = others.reduce((total, row) => total + row.value, 0);
    shown.push({ name: `${count(others.length, "smaller part")} together`, kinds: [], value });
  }
  const most = Math.max(...shown.map(({ value }) => Math.abs(value)), 1e-12);
  return h(
    "table",
    { class: shown.some(({ value }) => value < 0) ? "parts both" : "parts" },
    h("caption", {}, "Parts of the score"),
    h("tbody", {}, ...shown.map((row) => line(row, most))),
    h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "Sum, the score"),
      h("td", {}), h("td", { class: "value" }, number(score)))),
  );
}

/** Return a row for every item, which may act in two ways, and for everything else. */
function grouped(parts) {
  const rows = new Map();
  for (const part of parts) {
    const key = JSON.stringify(part.item === null ? [part.kind] : ["item", part.item]);
    const row = rows.get(key) ?? { name: nameOfPart(part), kinds: [], value: 0 };
    row.kinds.push([KINDS[part.kind], part.contribution]);
    row.value += part.contribution;
    rows.set(key, row);
  }
  return [...rows.values()];
}

function nameOfPart(part) {
  if (part.item !== null) return nameOf(part);
  return part.kind[0].toUpperCase() + part.kind.slice(1);
}

function line({ name, kinds, value }, most) {
  const bar = h("span", { class: value < 0 ? "part minus" : "part" });
  bar.style.setProperty("--share", Math.abs(value) / most);
  const ways = kinds.map(([kind, part]) => (kinds.length > 1 ? `${kind} ${signed(part)}` : kind));
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, name, ways.length ? h("small", {}, ways.join(", ")) : null),
    h("td", { class: "bar", "aria-hidden": "true" }, bar),
    h("td", { class: "value" }, signed(value)),
  );
}

function signed(value) {
  return (value < 0 ? "−" : "+") + number(Math.abs(value));
}
