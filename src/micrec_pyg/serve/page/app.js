// The page: what is asked, and what follows from it.

import { findItems, findUsers, KeyError, models, useKey } from "./api.js";
import { basketOf, remember, showBasket } from "./basket.js";
import { showChoices, wireChoices } from "./choices.js";
import { byId, count, fill, h } from "./dom.js";
import { itemsOf } from "./lines.js";
import { showLists } from "./results.js";
import { suggest } from "./search.js";
import { readState, START, withItems, withoutItem, writeState } from "./state.js";
import { divided, nameOf } from "./titles.js";

let known = [];
let state = START;

/** Go on with another state, under its own address. */
function go(changes, { compare = false, said = "" } = {}) {
  state = { ...state, ...changes };
  window.history.pushState(null, "", writeState(state, known));
  return show({ compare, said });
}

/** Show the state; say what was done and what it changed. */
async function show({ compare = false, said = "" } = {}) {
  showChoices(state, known);
  const basket = showBasket(state, { hasImages, remove });
  const changed = await showLists(state, { compare, hasImages, add });
  await basket;
  tell(said, changed);
}

/** Say what was done, which can be undone, or what went wrong. */
function tell(said, changed, { done = true } = {}) {
  byId("undo").hidden = said === "" || !done;
  byId("toast").classList.toggle("shown", said !== "");
  fill(byId("said"), said ? h("strong", {}, said) : null, changed ? ` ${changed}` : null);
}

function hasImages(domain, model) {
  const found = known.find((each) => each.name === model);
  return found?.domains.find((each) => each.name === domain)?.images ?? false;
}

/** Put an item of the shown domain in the basket, and keep the place of the keyboard. */
async function add(item, title) {
  const cards = [...document.querySelectorAll(".card")];
  const place = cards.findIndex((each) => each.contains(document.activeElement));
  await addItems([{ domain: state.domain, item, title }]);
  const next = document.querySelectorAll(".card .add")[place];
  if (document.activeElement === document.body) next?.focus({ preventScroll: true });
}

async function addItems(items) {
  let basket = await guarded(() => basketOf(state));
  if (basket === null || !items.length) return;
  for (const { domain, item, title } of items) {
    basket = withItems(basket, domain, [item]);
    remember(state.model, domain, item, title);
  }
  const what = items.length === 1 ? nameOf(items[0]) : count(items.length, "item");
  await go({ user: null, basket }, { compare: true, said: `Added ${what}.` });
}

async function remove(domain, item, title) {
  const basket = await guarded(() => basketOf(state));
  if (basket === null) return;
  await go(
    { user: null, basket: withoutItem(basket, domain, item) },
    { compare: true, said: `Removed ${nameOf({ item, title })}.` },
  );
}

/** Return what a question brings; null where it failed, which is said. */
async function guarded(question) {
  try {
    return await question();
  } catch (error) {
    tell(error.message, "", { done: false });
    return null;
  }
}

function domains() {
  const names = known.find((each) => each.name === state.model).domains.map((each) => each.name);
  return [state.domain, ...names.filter((name) => name !== state.domain)];
}

/** Return suggestions of every domain, those of the shown one first. */
async function suggestItems(q, signal) {
  const several = domains().length > 1;
  const found = await Promise.all(
    domains().map(async (domain) => {
      const { items } = await findItems(state.model, domain, q, { signal });
      return items.map((row) => ({
        label: nameOf(row),
        more: divided(row)[1],
        hint: [several ? domain : "", row.title ? row.item : ""].filter(Boolean).join(" · "),
        value: { domain, ...row },
      }));
    }),
  );
  return found.flat();
}

async function suggestUsers(q, signal) {
  const asked = domains().map((domain) => findUsers(state.model, domain, q, { signal }));
  const users = (await Promise.all(asked)).flatMap((answer) => answer.users);
  const first = (user) => Number(user !== q);
  const order = [...new Set(users)].sort((a, b) => first(a) - first(b));
  return order.slice(0, 8).map((user) => ({ label: user, hint: "", value: user }));
}

async function paste(event) {
  event.preventDefault();
  const field = byId("lines");
  const answer = await guarded(() => itemsOf(field.value, state.model, domains()));
  if (answer === null) return;
  const { found, unknown } = answer;
  fill(byId("unknown"), ...unknown.map((sentence) => h("li", {}, sentence)));
  await addItems(found);
  if (!unknown.length) field.value = "";
}

function wire() {
  suggest(byId("find-item"), { find: suggestItems, take: (value) => addItems([value]) });
  suggest(byId("find-user"), {
    find: suggestUsers,
    take: (user) => go({ user, basket: {} }),
  });
  byId("paste").addEventListener("submit", paste);
  byId("clear").addEventListener("click", () => go({ user: null, basket: {} }));
  byId("undo").addEventListener("click", () => window.history.back());
  wireChoices(go);
  window.addEventListener("popstate", () => {
    state = readState(window.location.search, known);
    show();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (event.key !== "/" || typing) return;
    event.preventDefault();
    byId("find-item").focus();
  });
}

/** Return what to do about a service that does not answer. */
function wantsPatience(error) {
  const again = h("button", { type: "button", onclick: start }, "Try again");
  return h("div", { class: "error", role: "alert" }, h("p", {}, error.message), again);
}

/** Return a form that takes the key which the service wants. */
function wantsKey(error) {
  const field = h("input", { type: "password", id: "key", autocomplete: "off", required: true });
  const take = (event) => {
    event.preventDefault();
    useKey(field.value);
    start();
  };
  return h("form", { class: "key", onsubmit: take }, h("p", { role: "alert" }, error.message),
    h("label", { for: "key" }, "Key, as in a line of --read-key-file"), field, h("button", {}, "Go on"));
}

async function start() {
  try {
    known = await models();
  } catch (error) {
    fill(byId("lists"), error instanceof KeyError ? wantsKey(error) : wantsPatience(error));
    return;
  }
  state = readState(window.location.search, known);
  wire();
  await show();
  document.documentElement.dataset.ready = "yes";
}

start();
