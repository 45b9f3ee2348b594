// The lists of one or two models, and what changed in them.

import { recommend } from "./api.js";
import { card } from "./card.js";
import { common, gone, moves, ranks, tally } from "./compare.js";
import { byId, count, fill, h } from "./dom.js";
import { nameOf } from "./titles.js";

/** What the reason of a row says. */
const REASONS = {
  history: "By history: the model scores the items from what this person has here.",
  "other domain": "By other domain: from what this person has in another domain.",
  content: "By content: the items' texts or pictures are like those of the history.",
  popularity: "By popularity: by the number of people who have the item.",
};
/** What was shown before: {state, lists} with a list by model. */
let shown = null;
let round = 0;

/**
 * Show the lists of a state.
 * @param {object} state
 * @param {object} given
 * @param {boolean} given.compare  whether to mark what moved
 * @param {(domain: string, model: string) => boolean} given.hasImages
 * @param {(item: string, title: string|null) => void} given.add
 * @returns {Promise<string>}  what changed, in words; "" where nothing was compared
 */
export async function showLists(state, { compare, hasImages, add }) {
  const mine = ++round;
  const models = [state.model, state.other].filter((name) => name !== null);
  byId("lists").setAttribute("aria-busy", "true");
  const answers = await Promise.all(models.map((model) => answered(model, state)));
  if (mine !== round) return "";
  const before = compare && alike(shown?.state, state) ? shown.lists : {};
  const lists = Object.fromEntries(models.map((name, i) => [name, answers[i].rows ?? null]));
  const columns = models.map((model, place) => {
    const other = models[1 - place];
    return column(model, answers[place], {
      state,
      add,
      images: hasImages(state.domain, model),
      before: before[model] ?? null,
      other: other && lists[other] ? { name: other, rows: lists[other] } : null,
    });
  });
  byId("lists").classList.toggle("two", models.length === 2);
  fill(byId("lists"), ...columns);
  byId("lists").setAttribute("aria-busy", "false");
  fill(byId("agreement"), agreement(models, lists), models.length === 2 ? tabs(models) : null);
  shown = { state, lists };
  return changes(models, before, lists);
}

/** Return {rows, ms}, or {error} in a sentence. */
async function answered(model, state) {
  try {
    return await recommend(model, state);
  } catch (error) {
    return { error: error.message };
  }
}

/** Return whether two states ask for the same kind of list. */
function alike(before, after) {
  return before && before.domain === after.domain && before.k === after.k;
}

function column(model, { rows, ms, error }, given) {
  const told = error ? "" : `${count(rows.length, "item")} in ${duration(ms)}`;
  const id = `list-${model}`;
  return h(
    "section",
    { class: "list", "aria-labelledby": id },
    h("header", {}, h("h2", { id }, model), h("small", { class: "latency" }, told)),
    error ? h("p", { class: "error", role: "alert" }, error) : body(model, rows, given),
  );
}

function duration(ms) {
  return ms < 1000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function body(model, rows, { state, add, images, before, other }) {
  if (!rows.length) {
    return h("p", { class: "empty" }, "No item is left to recommend: this person has them all.");
  }
  const share = shares(rows);
  const moved = before ? moves(before, rows) : null;
  const places = other ? ranks(other.rows) : null;
  const cards = rows.map((row) =>
    card(row, {
      model, state, images, share, add,
      move: moved?.get(row.item),
      other: places ? { name: other.name, rank: places.get(row.item) ?? null } : null,
    }),
  );
  const left = before ? gone(before, rows, state.basket[state.domain] ?? []) : [];
  return h("div", {}, legend(rows), h("ol", { class: "cards" }, ...cards), leavers(left));
}

function legend(rows) {
  const given = new Set(rows.map((row) => row.reason));
  const lines = Object.keys(REASONS).filter((reason) => given.has(reason));
  return h("p", { class: "legend" }, lines.map((reason) => REASONS[reason]).join(" "));
}

function leavers(rows) {
  if (!rows.length) return null;
  const names = rows.map((row) => `${nameOf(row)} (was ${row.rank})`);
  return h("p", { class: "gone" }, h("strong", {}, "No more in the list: "), names.join("; "));
}

/** Return the length of a score's bar: from zero, or from the lowest if some are less. */
function shares(rows) {
  const scores = rows.map((row) => row.score);
  const low = Math.min(0, ...scores);
  const width = Math.max(...scores) - low || 1;
  return (score) => (score - low) / width;
}

function agreement(models, lists) {
  const both = models.length === 2 && models.every((model) => lists[model]);
  if (!both) return null;
  const [first, second] = models.map((model) => lists[model]);
  const size = Math.max(first.length, second.length);
  return h("p", {}, `${common(first, second)} of ${count(size, "item")} are in both lists.`);
}

/** Return buttons for the two lists, of which a narrow window shows one. */
function tabs(models) {
  const shown = Number(byId("lists").dataset.shown ?? 0);
  const choose = (event) => {
    const chosen = [...event.currentTarget.parentNode.children].indexOf(event.currentTarget);
    byId("lists").dataset.shown = chosen;
    [...event.currentTarget.parentNode.children].forEach((button, place) => {
      button.setAttribute("aria-pressed", String(place === chosen));
    });
  };
  const buttons = models.map((model, place) =>
    h("button", { type: "button", "aria-pressed": String(place === shown), onclick: choose }, model),
  );
  return h("div", { class: "tabs", role: "group", "aria-label": "The list that is shown" }, ...buttons);
}

/** Return what changed in every list that there was before, in words. */
function changes(models, before, lists) {
  const both = models.filter((model) => lists[model] && before[model]);
  const said = both.map((model) => {
    const found = tally(moves(before[model], lists[model]));
    const parts = [`${found.new} new`, `${found.up} up`, `${found.down} down`];
    const name = models.length > 1 ? `${model}: ` : "";
    return `${name}${parts.join(", ")}, ${found.same} in the same place.`;
  });
  return said.join(" ");
}
