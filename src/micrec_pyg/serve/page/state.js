// What the page is about, and the address that says the same: a link can be shared.

export const LENGTHS = [10, 20, 50];

/** Nobody: an empty basket. */
export const START = { model: null, other: null, domain: null, k: 20, user: null, basket: {} };

/**
 * Return the state that an address says.
 * @param {string} search  as in location.search
 * @param {object[]} models  of /v1/models; what they do not know is left out
 */
export function readState(search, models) {
  const given = new URLSearchParams(search);
  const named = (key) => models.find((each) => each.name === given.get(key)) ?? null;
  const model = named("model") ?? models[0];
  const other = named("other");
  const domains = model.domains.map((each) => each.name);
  const k = Number(given.get("k"));
  return {
    model: model.name,
    other: other && other !== model ? other.name : null,
    domain: domains.includes(given.get("domain")) ? given.get("domain") : domains[0],
    k: LENGTHS.includes(k) ? k : START.k,
    user: given.get("user") || null,
    basket: given.get("user") ? {} : readBasket(given, domains),
  };
}

function readBasket(given, domains) {
  const basket = {};
  for (const domain of domains) {
    const items = given.getAll(`in.${domain}`).filter((item) => item !== "");
    if (items.length) basket[domain] = [...new Set(items)];
  }
  return basket;
}

/** Return the address of a state; what goes without saying is left out. */
export function writeState(state, models) {
  const said = new URLSearchParams();
  if (state.model !== models[0].name) said.set("model", state.model);
  if (state.other) said.set("other", state.other);
  said.set("domain", state.domain);
  if (state.k !== START.k) said.set("k", state.k);
  if (state.user) said.set("user", state.user);
  for (const [domain, items] of Object.entries(state.basket)) {
    for (const item of items) said.append(`in.${domain}`, item);
  }
  return `?${said}`;
}

/** Return a basket with more items of a domain, each once. */
export function withItems(basket, domain, items) {
  const mine = new Set([...(basket[domain] ?? []), ...items]);
  return { ...basket, [domain]: [...mine] };
}

/** Return a basket without an item. */
export function withoutItem(basket, domain, item) {
  const left = (basket[domain] ?? []).filter((each) => each !== item);
  const { [domain]: _, ...others } = basket;
  return left.length ? { ...others, [domain]: left } : others;
}

/** Return how many items a basket has. */
export function sizeOf(basket) {
  return Object.values(basket).reduce((sum, items) => sum + items.length, 0);
}
