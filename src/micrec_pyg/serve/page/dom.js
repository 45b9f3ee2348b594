// Elements made in code: names and titles become text, never markup.

/**
 * Return an element.
 * @param {string} tag
 * @param {object} given  on* are listeners, null and false leave an attribute out
 * @param {...(Node|string|null)} children
 */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Put children in the place of what an element has. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null));
}

/** Return the element of the page with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Return a number with four digits that count, as 0.1234 or 1,234. */
export function number(value) {
  return value.toLocaleString("en", { maximumSignificantDigits: 4 });
}

/** Return a count with its noun, as "1 item" or "2 items". */
export function count(size, noun) {
  return `${size.toLocaleString("en")} ${noun}${size === 1 ? "" : "s"}`;
}
