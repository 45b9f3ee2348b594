// Questions to the service that served the page.

/** What went wrong, in a sentence for people. */
export class ServiceError extends Error {}

/** The service wants a key, or another one. */
export class KeyError extends ServiceError {}

const KEY = "micrec key";

/** Send a key with every question, until the window is closed. */
export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

function headers() {
  const key = sessionStorage.getItem(KEY);
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}

/** Return the answer of the service and the milliseconds it took. */
async function ask(path, { body, signal } = {}) {
  const begin = performance.now();
  const options = { headers: headers(), signal };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("The service does not answer. Is micrec serve still running?");
  }
  const answer = await response.json().catch(() => null);
  if (response.status === 401) throw new KeyError("The service wants a key.");
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
  const { answer, ms } = await ask("/v1/recommend", { body: question });
  return { rows: answer.lists[0].rows, ms };
}

/** Return a title by id, of items of one domain; null where there is none. */
export async function titles(model, domain, items) {
  // a list that may hold these items alone brings all their titles at once
  const nobody = { history: {}, exclude_seen: false };
  const question = { model, domain, items, k: items.length, ...nobody };
  const { answer } = await ask("/v1/recommend", { body: question });
  return new Map(answer.lists[0].rows.map((row) => [row.item, row.title]));
}

/** Return {score, parts}: what a score is made of. */
export async function explain(model, state, item) {
  const question = { model, domain: state.domain, item, ...who(state) };
  return (await ask("/v1/explain", { body: question })).answer;
}

/** Return where the picture of an item is; an image cannot send a key itself. */
export async function imageSource(model, domain, item) {
  const place = [domain, item].map(encodeURIComponent).join("/");
  const path = `/v1/image/${place}?${new URLSearchParams({ model })}`;
  const sent = headers();
  if (!("Authorization" in sent)) return path;
  const response = await fetch(path, { headers: sent });
  return response.status === 200 ? URL.createObjectURL(await response.blob()) : null;
}
