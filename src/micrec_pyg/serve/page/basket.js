// Whom the lists are for: a known person's history, or the items of a basket.

import { history, titles } from "./api.js";
import { byId, count, fill, h } from "./dom.js";
import { picture } from "./picture.js";
import { sizeOf } from "./state.js";
import { nameOf } from "./titles.js";

/** The history of the known person who was asked for last. */
let person = { key: null, known: null };
/** Titles by model, domain and item. */
const names = new Map();
let round = 0;

/** Return what a state's person has, as ids by domain. */
export async function basketOf(state) {
  if (state.user === null) return state.basket;
  const known = await personOf(state, { again: false });
  const ids = Object.entries(known).map(([d, items]) => [d, items.map((each) => each.item)]);
  return Object.fromEntries(ids.filter(([, items]) => items.length));
}

async function personOf({ model, user }, { again }) {
  const key = JSON.stringify([model, user]);
  if (again || person.key !== key) person = { key, known: await history(model, user) };
  return person.known;
}

/** Remember the title of an item, which saves asking for it. */
export function remember(model, domain, item, title) {
  names.set(JSON.stringify([model, domain, item]), title);
}

/** Return the items of a state's person by domain, with titles where they are known. */
async function itemsOf(state) {
  if (state.user !== null) return personOf(state, { again: true });
  const found = {};
  for (const [domain, items] of Object.entries(state.basket)) {
    const key = (item) => JSON.stringify([state.model, domain, item]);
    if (items.some((item) => !names.has(key(item)))) {
      for (const [item, title] of await titles(state.model, domain, items)) {
        names.set(key(item), title);
      }
    }
    found[domain] = items.map((item) => ({ item, title: names.get(key(item)) ?? null }));
  }
  return found;
}

/**
 * Show what a state's person has.
 * @param {object} state
 * @param {object} given
 * @param {(domain: string, model: string) => boolean} given.hasImages
 * @param {(domain: string, item: string, title: string|null) => void} given.remove
 */
export async function showBasket(state, { hasImages, remove }) {
  const mine = ++round;
  let items = {};
  let trouble = null;
  try {
    items = await itemsOf(state);
  } catch (error) {
    trouble = error.message;
    const bare = Object.entries(state.basket);
    items = Object.fromEntries(bare.map(([d, ids]) => [d, ids.map((item) => ({ item, title: null }))]));
  }
  if (mine !== round) return;
  const size = sizeOf(items);
  const who = state.user === null ? "Basket" : `Person ${state.user}`;
  fill(byId("who"), who, h("small", {}, size ? count(size, "item") : "empty"));
  byId("clear").hidden = size === 0 && state.user === null;
  const groups = Object.entries(items).filter(([, rows]) => rows.length);
  fill(
    byId("basket"),
    trouble ? h("p", { class: "error" }, trouble) : null,
    size || trouble ? null : hint(),
    ...groups.map(([domain, rows]) => {
      const images = trouble === null && hasImages(domain, state.model);
      return group(domain, rows, state, { images, remove });
    }),
  );
}

function hint() {
  return h(
    "p",
    { class: "empty" },
    "Nobody is chosen yet, so the list shows what is popular. Find a person, or put items in the basket.",
  );
}

function group(domain, rows, state, { images, remove }) {
  const place = { model: state.model, domain, images };
  const lines = rows.map((row) =>
    h(
      "li",
      { "data-item": row.item },
      picture(row, place),
      h("span", { class: "name", title: row.title }, nameOf(row)),
      h("button", { type: "button", class: "remove", "aria-label": `Remove ${nameOf(row)}`,
        onclick: () => remove(domain, row.item, row.title) }, "×"),
    ),
  );
  return h("div", { class: "group" }, h("h3", {}, domain, h("small", {}, String(rows.length))),
    h("ul", {}, ...lines));
}
