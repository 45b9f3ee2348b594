// One place of a list.

import { h, number } from "./dom.js";
import { picture } from "./picture.js";
import { divided } from "./titles.js";
import { reasons } from "./why.js";

/**
 * Return a list item for a row of a list.
 * @param {object} row  rank, item, score, title, reason
 * @param {object} place
 * @param {string} place.model
 * @param {object} place.state
 * @param {boolean} place.images  whether the domain has pictures
 * @param {(score: number) => number} place.share  length of a score's bar in [0, 1]
 * @param {string|number|undefined} place.move  since the list before
 * @param {{name: string, rank: number|null}|null} place.other  of the other model
 * @param {(item: string, title: string|null) => void} place.add
 */
export function card(row, place) {
  const { model, state, images, add } = place;
  const [name, rest] = divided(row);
  const why = h("div", { class: "why", hidden: true });
  return h(
    "li",
    { class: "card", "data-item": row.item },
    h("span", { class: "rank" }, String(row.rank)),
    picture(row, { model, domain: state.domain, images }),
    h(
      "div",
      { class: "about" },
      h("h3", {}, name),
      rest ? h("p", { class: "more" }, rest) : null,
      h("p", { class: "marks" }, mark(place.move), elsewhere(place.other),
        h("span", { class: "reason" }, `by ${row.reason}`)),
      score(row.score, place.share(row.score)),
    ),
    h(
      "div",
      { class: "actions" },
      h("button", { type: "button", "aria-expanded": "false", "data-do": "why",
        "aria-label": `Why ${name}`,
        onclick: (event) => toggle(event.currentTarget, why, () => reasons(model, state, row.item)) },
        "Why?"),
      h("button", { type: "button", class: "add", "data-do": "add",
        "aria-label": `Add ${name} to the basket`,
        onclick: () => add(row.item, row.title) }, "+ Basket"),
    ),
    why,
  );
}

async function toggle(button, panel, make) {
  const open = panel.hidden;
  button.setAttribute("aria-expanded", String(open));
  panel.hidden = !open;
  if (!open || panel.childElementCount) return;
  panel.replaceChildren(h("p", { class: "note" }, "Asking the model…"));
  panel.replaceChildren(await make());
}

function mark(move) {
  if (move === undefined) return null;
  if (move === "new") return h("span", { class: "move new" }, "new");
  if (move === 0) return h("span", { class: "move same" }, "same place");
  const places = Math.abs(move) === 1 ? "place" : "places";
  const way = move > 0 ? "up" : "down";
  return h(
    "span",
    { class: `move ${way}` },
    h("span", { "aria-hidden": "true" }, move > 0 ? "▲ " : "▼ "),
    h("span", { class: "spoken" }, `${way} `),
    String(Math.abs(move)),
    h("span", { class: "spoken" }, ` ${places}`),
  );
}

function elsewhere(other) {
  if (!other) return null;
  const { name, rank } = other;
  return h("span", { class: "elsewhere" }, rank === null ? `not in ${name}` : `${name}: ${rank}`);
}

function score(value, share) {
  const bar = h("span", { class: "fill" });
  bar.style.width = `${100 * share}%`;
  return h(
    "p",
    { class: "score" },
    h("span", { class: "track", "aria-hidden": "true" }, bar),
    h("span", { class: "spoken" }, "Score "),
    h("span", { class: "value" }, number(value)),
  );
}
