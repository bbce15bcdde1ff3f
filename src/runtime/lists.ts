/**
 * Adds elements at the end of a list. `list.push(...elements)` hands each over as an argument, of which the stack takes about
 * 125,000: fewer than a database may have tables.
 */
export function append<T>(list: T[], elements: Iterable<T>): void {
  for (const element of elements) list.push(element);
}

/** Gives a list other elements, in place: as many as there are. */
export function refill<T>(list: T[], elements: readonly T[]): void {
  const kept = elements === list ? [...elements] : elements;
  list.length = 0;
  append(list, kept);
}
