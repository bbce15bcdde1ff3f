/** Orders numbers by size and texts by code unit, which is independent of machine, locale and collation. */
export function compare<Value extends string | bigint>(one: Value, other: Value): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Orders lists of texts by the first element that differs, up to the length of `one`. */
export function compareKeys(one: readonly string[], other: readonly string[]): number {
  for (const [index, part] of one.entries()) {
    const against = other[index] ?? '';
    if (part !== against) return compare(part, against);
  }
  return 0;
}
