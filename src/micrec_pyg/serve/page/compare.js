// Two lists of one person, compared by place.

/**
 * Return what became of a list, by item: "new", or the places that it went up.
 * @param {object[]} before  rows with item and rank
 * @param {object[]} after
 */
export function moves(before, after) {
  const places = ranks(before);
  return new Map(
    after.map(({ item, rank }) => {
      const old = places.get(item);
      return [item, old === undefined ? "new" : old - rank];
    }),
  );
}

/** Return the rank of every item of a list. */
export function ranks(rows) {
  return new Map(rows.map((row) => [row.item, row.rank]));
}

/** Return the rows of a list that another has no more, but for those in a basket. */
export function gone(before, after, basket) {
  const here = ranks(after);
  return before.filter((row) => !here.has(row.item) && !basket.includes(row.item));
}

/** Return how often each thing happened: new, up, down, same. */
export function tally(moved) {
  const found = { new: 0, up: 0, down: 0, same: 0 };
  for (const move of moved.values()) {
    if (move === "new") found.new += 1;
    else if (move > 0) found.up += 1;
    else if (move < 0) found.down += 1;
    else found.same += 1;
  }
  return found;
}

/** Return how many items two lists have in common. */
export function common(first, second) {
  const there = ranks(second);
  return first.filter((row) => there.has(row.item)).length;
}
