/**
 * Appends elements to a list. `list.push(...elements)` passes each element as an argument, and the stack
 * holds about 125,000 of them: fewer than a database may have tables.
 */
export function append<T>(list: T[], elements: Iterable<T>): void {
  for (const element of elements) list.push(element);
}
