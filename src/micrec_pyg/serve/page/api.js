// Questions to the service that served the page.

/** What went wrong, in a sentence for people. */
export class ServiceError extends Error {}

/** Return the answer of the service and the milliseconds it took. */
async function ask(path, options = {}) {
  const begin = performance.now();
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("The service does not answer. Is micrec serve still running?");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    const told = answer?.error?.message;
    throw new ServiceError(told ?? `The service answered with status ${response.status}.`);
  }
  return { answer, ms: performance.now() - begin };
}

function get(path, query, signal) {
  const given = Object.entries(query).filter(([, value]) => value !== null);
  return ask(`${path}?${new URLSearchParams(given)}`, { signal });
}

function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** Return whom a question is about, in the words of the service. */
function who(state) {
  return state.user === null ? { history: state.basket } : { user: state.user };
}

export async function models() {
  return (await get("/v1/models", {})).answer.models;
}

/** Return {total, items: [{item, title}]}: those with a text in id or title. */
export async function findItems(model, domain, q, { limit = 6, signal = null } = {}) {
  return (await get("/v1/items", { model, domain, q, limit }, signal)).answer;
}

/** Return {total, users: [id]}: those with a text in their id. */
export async function findUsers(model, domain, q, { limit = 6, signal = null } = {}) {
  return (await get("/v1/users", { model, domain, q, limit }, signal)).answer;
}

/** Return the items of a known person by domain, with titles. */
export async function history(model, user) {
  return (await get("/v1/history", { model, user })).answer.history;
}

/** Return {rows, ms}: the list of whoever the page is about. */
export async function recommend(model, state) {
  const { user, history } = who(state);
  const people = user === undefined ? { history } : { users: [user] };
  const question = { model, domain: state.domain, k: state.k, ...people };
  const { answer, ms } = await post("/v1/recommend", question);
  return { rows: answer.lists[0].rows, ms };
}

/** Return a title by id, of items of one domain; null where there is none. */
export async function titles(model, domain, items) {
  // a list that may hold these items alone brings all their titles at once
  const nobody = { history: {}, exclude_seen: false };
  const question = { model, domain, items, k: items.length, ...nobody };
  const { answer } = await post("/v1/recommend", question);
  return new Map(answer.lists[0].rows.map((row) => [row.item, row.title]));
}

/** Return {score, parts}: what a score is made of. */
export async function explain(model, state, item) {
  const question = { model, domain: state.domain, item, ...who(state) };
  return (await post("/v1/explain", question)).answer;
}

/** Return where the picture of an item is. */
export function imagePath(model, domain, item) {
  const place = [domain, item].map(encodeURIComponent).join("/");
  return `/v1/image/${place}?${new URLSearchParams({ model })}`;
}
