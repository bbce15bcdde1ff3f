/** What a manifest or a header says of a stored object. */
export interface DescribedObject {
  /** 64 hexadecimal digits, as in the key */
  readonly name: string;
  /** bytes as stored */
  readonly stored: number;
  /** SHA-256 of the stored bytes, hexadecimal */
  readonly sha256: string;
}

const digest = 32;
const initialCapacity = 1024;

/** Flags of an object */
const [wanted, listed, carried] = [1, 2, 4];

/**
 * Which objects of those that are wanted: that the place has not in their length, that it has, or that it got in this
 * run.
 */
export type Choice = 'absent' | 'present' | 'carried';

/**
 * The objects of two listings and of manifests, by name. A million take about 90 MB, where strings in a map take
 * half a GB. Names of others may be chosen to collide, so where a name goes depends on a number of this run.
 */
export class ObjectTable {
  readonly #seed: number;
  #capacity = initialCapacity;
  #size = 0;
  #names = Buffer.alloc(initialCapacity * digest);
  #hashes = Buffer.alloc(initialCapacity * digest);
  /** bytes as described */
  #stored = new Float64Array(initialCapacity);
  /** bytes as listed */
  #found = new Float64Array(initialCapacity);
  #flags = new Uint8Array(initialCapacity);
  /** Index of an object and 1, by its place; 0 for none. Twice as many as objects. */
  #slots = new Uint32Array(initialCapacity * 2);
  /** Other stored copies of a content that manifests describe: encryption gives each other bytes. */
  readonly #others = new Map<number, DescribedObject[]>();

  /** @param random at least 0 and less than 1 */
  constructor(random: number) {
    this.#seed = Math.floor(random * 0x1_0000_0000) | 1;
  }

  /** Objects, wanted or listed */
  get size(): number {
    return this.#size;
  }

  /** Notes that a manifest or header needs an object. */
  want(object: DescribedObject): void {
    const index = this.#indexOf(object.name, true);
    if ((this.#flags[index] ?? 0) & wanted) {
      if (this.#shaOf(index) === object.sha256 && this.#stored[index] === object.stored) return;
      const others = this.#others.get(index) ?? [];
      if (!others.some(({ sha256 }) => sha256 === object.sha256))
        this.#others.set(index, [...others, object]);
      return;
    }
    this.#flags[index] = (this.#flags[index] ?? 0) | wanted;
    this.#stored[index] = object.stored;
    this.#hashes.write(object.sha256, index * digest, digest, 'hex');
  }

  /** Notes that a place has an object of so many bytes. */
  list(name: string, bytes: number): void {
    const index = this.#indexOf(name, true);
    this.#flags[index] = (this.#flags[index] ?? 0) | listed;
    this.#found[index] = bytes;
  }

  /** Notes that a place got an object of so many bytes. */
  carry(name: string, bytes: number): void {
    this.list(name, bytes);
    const index = this.#indexOf(name, false);
    this.#flags[index] = (this.#flags[index] ?? 0) | carried;
  }

  /** Notes that a place has no such object, or not as it should be. */
  unlist(name: string): void {
    const index = this.#indexOf(name, false);
    if (index >= 0) this.#flags[index] = (this.#flags[index] ?? 0) & ~(listed | carried);
  }

  isWanted(name: string): boolean {
    return this.#has(name, wanted);
  }

  /** bytes as listed; undefined when the place has no such object */
  sizeListed(name: string): number | undefined {
    const index = this.#indexOf(name, false);
    return index >= 0 && (this.#flags[index] ?? 0) & listed ? this.#found[index] : undefined;
  }

  /** Tells whether the place has an object in the length that a manifest describes. */
  isPresent(name: string): boolean {
    const index = this.#indexOf(name, false);
    return index >= 0 && this.#isPresentAt(index);
  }

  /** Everything that manifests say of an object; empty when none names it. */
  describe(name: string): readonly DescribedObject[] {
    const index = this.#indexOf(name, false);
    if (index < 0 || !((this.#flags[index] ?? 0) & wanted)) return [];
    const first = { name, stored: this.#stored[index] ?? 0, sha256: this.#shaOf(index) };
    return [first, ...(this.#others.get(index) ?? [])];
  }

  /** The names of wanted objects, one after another: a list of a million would take as much as the table. */
  *names(which: Choice): Generator<string> {
    for (let index = 0; index < this.#size; index++) {
      if (this.#isAmong(index, which))
        yield this.#names.toString('hex', index * digest, (index + 1) * digest);
    }
  }

  /** How many wanted objects there are, and how many bytes as described */
  count(which: Choice): { readonly objects: number; readonly bytes: number } {
    let [objects, bytes] = [0, 0];
    for (let index = 0; index < this.#size; index++) {
      if (!this.#isAmong(index, which)) continue;
      objects += 1;
      bytes += this.#stored[index] ?? 0;
    }
    return { objects, bytes };
  }

  #isAmong(index: number, which: Choice): boolean {
    const flags = this.#flags[index] ?? 0;
    if (!(flags & wanted)) return false;
    if (which === 'carried') return (flags & carried) !== 0;
    return this.#isPresentAt(index) === (which === 'present');
  }

  #isPresentAt(index: number): boolean {
    const flags = this.#flags[index] ?? 0;
    if (!(flags & listed) || !(flags & wanted)) return false;
    const size = this.#found[index];
    if (size === this.#stored[index]) return true;
    return this.#others.get(index)?.some(({ stored }) => stored === size) ?? false;
  }

  #has(name: string, flag: number): boolean {
    const index = this.#indexOf(name, false);
    return index >= 0 && ((this.#flags[index] ?? 0) & flag) !== 0;
  }

  #shaOf(index: number): string {
    return this.#hashes.toString('hex', index * digest, (index + 1) * digest);
  }

  /** @returns -1 when it is not there and is not to be added */
  #indexOf(name: string, isAdded: boolean): number {
    const bytes = Buffer.from(name, 'hex');
    const mask = this.#slots.length - 1;
    for (let slot = this.#slotOf(bytes, 0) & mask; ; slot = (slot + 1) & mask) {
      const index = (this.#slots[slot] ?? 0) - 1;
      if (index >= 0) {
        if (bytes.compare(this.#names, index * digest, (index + 1) * digest) === 0) return index;
        continue;
      }
      if (!isAdded) return -1;
      if (this.#size === this.#capacity) {
        this.#grow();
        return this.#indexOf(name, true);
      }
      bytes.copy(this.#names, this.#size * digest);
      this.#slots[slot] = ++this.#size;
      return this.#size - 1;
    }
  }

  /** Mixes all bytes of a name with the number of this run: FNV-1a by words. */
  #slotOf(bytes: Buffer, from: number): number {
    let hash = this.#seed;
    for (let at = from; at < from + digest; at += 4) {
      hash = Math.imul(hash ^ bytes.readUInt32LE(at), 0x0100_0193);
      hash ^= hash >>> 15;
    }
    return hash >>> 0;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#names = Buffer.concat([this.#names], this.#capacity * digest);
    this.#hashes = Buffer.concat([this.#hashes], this.#capacity * digest);
    this.#stored = widen(this.#stored, this.#capacity);
    this.#found = widen(this.#found, this.#capacity);
    const flags = new Uint8Array(this.#capacity);
    flags.set(this.#flags);
    this.#flags = flags;
    this.#slots = new Uint32Array(this.#capacity * 2);
    const mask = this.#slots.length - 1;
    for (let index = 0; index < this.#size; index++) {
      let slot = this.#slotOf(this.#names, index * digest) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = index + 1;
    }
  }
}

function widen(numbers: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const wider = new Float64Array(capacity);
  wider.set(numbers);
  return wider;
}
