/**
 * Adds elements at the end of a list. `list.push(...elements)` hands each over as an argument, of which the stack takes about
 * 125,000: fewer than a database may have tables.
 */
export function append<T>(list: T[], elements: Iterable<T>): void {
  for (const element of elements) list.push(element);
}
