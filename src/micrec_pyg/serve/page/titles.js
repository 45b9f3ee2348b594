// An item's text -> its name and what follows.

/**
 * Return [name, rest] of an item's text, whose fields are joined by a period.
 *
 * A name goes on after an abbreviation, as in "Mr. Holland's Opus"; the rest may be "".
 */
export function divided({ item, title }) {
  if (title === null) return [item, ""];
  for (const { index } of title.matchAll(/\. /g)) {
    const word = title.slice(0, index).split(/\s/).at(-1);
    if (!isShort(word)) return [title.slice(0, index), title.slice(index + 2)];
  }
  return [title, ""];
}

/** Return whether a period after this word may be that of an abbreviation. */
function isShort(word) {
  const known = ["mrs", "inc", "ltd", "vol", "pkg", "etc"].includes(word.toLowerCase());
  return known || word.includes(".") || (word.length < 3 && !/\d/.test(word));
}

/** Return the name of an item alone. */
export function nameOf(row) {
  return divided(row)[0];
}
