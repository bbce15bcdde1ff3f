/** Orders by size, and texts by code unit: the same on every machine, in every locale and under every collation. */
export function compare<Value extends string | bigint>(one: Value, other: Value): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Orders lists of texts by their first part that differs. */
export function compareKeys(one: readonly string[], other: readonly string[]): number {
  for (const [index, part] of one.entries()) {
    const against = other[index] ?? '';
    if (part !== against) return compare(part, against);
  }
  return 0;
}
