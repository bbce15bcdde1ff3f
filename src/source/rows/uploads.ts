/**
 * Objects being stored while more rows are read. The `BufferPool` limits their number; this class waits for
 * them and keeps the first failure.
 */
export class Uploads {
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly reason: unknown } | undefined;

  /** @param stored its rejection is handled here */
  add(stored: Promise<void>): void {
    const heard = stored
      .catch((reason: unknown) => {
        this.#failure ??= { reason };
      })
      .finally(() => this.#underWay.delete(heard));
    this.#underWay.add(heard);
  }

  /** Throws the first failure, if there is one. */
  assertSound(): void {
    if (this.#failure) throw this.#failure.reason;
  }

  /** Waits until everything is stored; throws as `assertSound`. */
  async finish(): Promise<void> {
    await Promise.all(this.#underWay);
    this.assertSound();
  }
}
