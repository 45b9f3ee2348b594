// What is chosen from lists: domain, models, length.

import { byId, fill, h } from "./dom.js";
import { LENGTHS } from "./state.js";

/** Let every choice go on with another state. */
export function wireChoices(go) {
  byId("domains").addEventListener("change", (event) => go({ domain: event.target.value }));
  byId("model").addEventListener("change", (event) => {
    const [model, other] = [event.target.value, byId("other").value];
    go({ model, other: other === model ? null : other || null });
  });
  byId("other").addEventListener("change", (event) => go({ other: event.target.value || null }));
  byId("length").addEventListener("change", (event) => go({ k: Number(event.target.value) }));
}

/** Show the choices of a state among what the loaded models know. */
export function showChoices(state, known) {
  const chosen = known.find((each) => each.name === state.model);
  fill(byId("about"), [chosen.dataset, chosen.model].join(" · "));
  fill(byId("model"), ...known.map(({ name }) => option(name, name, state.model)));
  const others = known.filter(({ name }) => name !== state.model);
  const none = option("", others.length ? "no other" : "none loaded", state.other ?? "");
  fill(byId("other"), none, ...others.map(({ name }) => option(name, name, state.other)));
  byId("other").disabled = others.length === 0;
  fill(byId("length"), ...LENGTHS.map((k) => option(k, k, state.k)));
  const names = chosen.domains.map((each) => each.name);
  byId("domains").hidden = names.length < 2;
  const shown = [...byId("domains").querySelectorAll("input")].map((each) => each.value);
  if (shown.join("\n") !== names.join("\n")) {
    fill(byId("segments"), ...names.map(segment));
  }
  for (const input of byId("segments").querySelectorAll("input")) {
    input.checked = input.value === state.domain;
  }
}

function option(value, label, chosen) {
  return h("option", { value: String(value), selected: value === chosen }, String(label));
}

function segment(name) {
  const input = h("input", { type: "radio", name: "domain", value: name });
  return h("label", {}, input, h("span", {}, name));
}
