/**
 * What is being stored while more is read. How much may be under way the `BufferPool` decides; here is who waits for it, and who hears that
 * it failed.
 */
export class Uploads {
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly reason: unknown } | undefined;

  /** @param stored is heard here, however it ends */
  add(stored: Promise<void>): void {
    const heard = stored
      .catch((reason: unknown) => {
        this.#failure ??= { reason };
      })
      .finally(() => this.#underWay.delete(heard));
    this.#underWay.add(heard);
  }

  /** Throws what the first that failed has thrown. */
  assertSound(): void {
    if (this.#failure) throw this.#failure.reason;
  }

  /** Waits until all is stored; throws as `assertSound`. */
  async finish(): Promise<void> {
    await Promise.all(this.#underWay);
    this.assertSound();
  }
}
