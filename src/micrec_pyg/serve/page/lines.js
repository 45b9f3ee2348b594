// Pasted lines, each an id or a title -> items.

import { findItems } from "./api.js";

export const MOST = 200;
const AT_ONCE = 6;

/**
 * Return {found: [{domain, item}], unknown: [sentence]} of pasted text.
 * @param {string} text  one id or title in a line
 * @param {string} model
 * @param {string[]} domains  in the order in which they are asked
 */
export async function itemsOf(text, model, domains) {
  const lines = [...new Set(text.split("\n").map((line) => line.trim()))];
  const asked = lines.filter((line) => line !== "").slice(0, MOST);
  const answers = [];
  for (let start = 0; start < asked.length; start += AT_ONCE) {
    const some = asked.slice(start, start + AT_ONCE);
    answers.push(...(await Promise.all(some.map((q) => itemOf(q, model, domains)))));
  }
  const found = answers.filter((answer) => typeof answer !== "string");
  const unknown = answers.filter((answer) => typeof answer === "string");
  const left = lines.filter((line) => line !== "").length - asked.length;
  if (left) unknown.push(`${left} more lines: paste at most ${MOST} at a time.`);
  return { found, unknown };
}

/** Return the item that a line means, or a sentence that says why there is none. */
async function itemOf(line, model, domains) {
  const q = line.slice(0, 200);
  const fitting = [];
  let total = 0;
  for (const domain of domains) {
    const answer = await findItems(model, domain, q, { limit: 50 });
    total += answer.total;
    fitting.push(...answer.items.map((item) => ({ domain, ...item })));
  }
  const words = q.toLowerCase();
  const id = fitting.find((each) => each.item === q);
  if (id) return id;
  for (const fits of [isTitle, beginsTitle, anything]) {
    const meant = fitting.filter((each) => fits(each, words));
    if (meant.length === 1) return meant[0];
    if (meant.length > 1) break;
  }
  return total
    ? `“${line}” fits ${total} items; write more of the title, or the id.`
    : `“${line}” is no id and part of no title.`;
}

function isTitle({ title }, q) {
  return title?.toLowerCase() === q;
}

function anything() {
  return true;
}

/** Return whether a title begins with these words and no other letter follows. */
function beginsTitle({ title }, q) {
  const text = title?.toLowerCase() ?? "";
  return text.startsWith(q) && !/^[\p{L}\p{N}]/u.test(text.slice(q.length));
}
