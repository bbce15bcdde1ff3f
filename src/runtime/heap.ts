/** Elements of which the first, by an order, is taken at any time: adding and taking cost log₂ of their number. */
export class Heap<Element> {
  /** The children of the element at n are at 2n + 1 and 2n + 2, and none goes before it. */
  readonly #elements: Element[];
  readonly #compare: (one: Element, other: Element) => number;

  /** @param compare below 0 when the first goes before the second */
  constructor(compare: (one: Element, other: Element) => number, elements: readonly Element[] = []) {
    this.#compare = compare;
    // What is sorted is a heap.
    this.#elements = elements.toSorted(compare);
  }

  add(element: Element): void {
    const elements = this.#elements;
    let at = elements.push(element) - 1;
    while (at > 0) {
      const above = (at - 1) >>> 1;
      if (!this.#isBefore(at, above)) return;
      this.#swap(at, above);
      at = above;
    }
  }

  /** Takes the first; undefined when there is none. */
  take(): Element | undefined {
    const elements = this.#elements;
    const [first] = elements;
    const last = elements.pop();
    if (elements.length === 0 || last === undefined) return first;
    elements[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const child = right < elements.length && this.#isBefore(right, left) ? right : left;
      if (child >= elements.length || !this.#isBefore(child, at)) return first;
      this.#swap(at, child);
      at = child;
    }
  }

  /** All of them in their order, without taking any. The first n cost n² at most. */
  *inOrder(): Generator<Element> {
    const frontier = this.#elements.length === 0 ? [] : [0];
    while (frontier.length > 0) {
      let next = 0;
      for (let each = 1; each < frontier.length; each++)
        if (this.#isBefore(frontier[each] as number, frontier[next] as number)) next = each;
      const at = frontier[next] as number;
      yield this.#elements[at] as Element;
      const children = [2 * at + 1, 2 * at + 2].filter((child) => child < this.#elements.length);
      frontier.splice(next, 1, ...children);
    }
  }

  #isBefore(one: number, other: number): boolean {
    return this.#compare(this.#elements[one] as Element, this.#elements[other] as Element) < 0;
  }

  #swap(one: number, other: number): void {
    const elements = this.#elements;
    [elements[one], elements[other]] = [elements[other] as Element, elements[one] as Element];
  }
}
