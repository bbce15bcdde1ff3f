import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DescribedObject, ObjectTable } from '../../../src/repository/copies/object-table.ts';

const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const object = (index: number): DescribedObject => ({
  name: hash(`name ${index}`),
  stored: index,
  sha256: hash(`bytes ${index}`),
});

describe('the table of objects', () => {
  it('says what a map would say', () => {
    const steps = fc.array(
      fc.record({ index: fc.nat(40), what: fc.constantFrom('want', 'list', 'short', 'unlist', 'carry') }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, fc.double({ min: 0, max: 0.999, noNaN: true }), (done, random) => {
        const table = new ObjectTable(random);
        const wanted = new Set<number>();
        const listed = new Map<number, number>();
        const carried = new Set<number>();
        for (const { index, what } of done) {
          const { name, stored } = object(index);
          if (what === 'want') table.want(object(index));
          if (what === 'list') table.list(name, stored);
          if (what === 'short') table.list(name, stored + 1);
          if (what === 'unlist') table.unlist(name);
          if (what === 'want') wanted.add(index);
          if (what === 'list') listed.set(index, stored);
          if (what === 'short') listed.set(index, stored + 1);
          if (what === 'unlist') listed.delete(index);
          if (what === 'carry') table.carry(name, stored);
          if (what === 'carry') listed.set(index, stored);
          if (what === 'carry') carried.add(index);
          if (what === 'unlist') carried.delete(index);
        }
        const present = [...wanted].filter((index) => listed.get(index) === index);
        const names = (indexes: Iterable<number>) => [...indexes].map((index) => object(index).name).sort();
        expect([...table.names('present')].sort()).toEqual(names(present));
        const got = [...carried].filter((index) => wanted.has(index));
        expect([...table.names('carried')].sort()).toEqual(names(got));
        const bytes = got.reduce((sum, index) => sum + index, 0);
        expect(table.count('carried')).toEqual({ objects: got.length, bytes });
        expect([...table.names('absent')].sort()).toEqual(
          names([...wanted].filter((index) => !present.includes(index))),
        );
        for (const index of wanted) expect(table.describe(object(index).name)).toEqual([object(index)]);
        for (const [index, size] of listed) expect(table.sizeListed(object(index).name)).toBe(size);
      }),
    );
  });

  it('keeps several copies of one content apart', () => {
    const table = new ObjectTable(0.5);
    const [one, other] = [object(1), { ...object(1), stored: 99, sha256: hash('others') }];
    for (const copy of [one, other, one, other]) table.want(copy);
    expect(table.describe(one.name)).toEqual([one, other]);
    table.list(one.name, 99);
    expect(table.isPresent(one.name)).toBe(true);
    table.list(one.name, 98);
    expect(table.isPresent(one.name)).toBe(false);
  });

  it('holds a million objects in less than 200 MB, all told', () => {
    const table = new ObjectTable(0.3);
    const name = Buffer.alloc(32);
    const nameOf = (index: number) => {
      name.writeUInt32LE(Math.imul(index, 2654435761) >>> 0, 0);
      name.writeUInt32LE(index, 4);
      return name.toString('hex');
    };
    const before = process.memoryUsage();
    for (let index = 0; index < 1_000_000; index++) {
      const each = nameOf(index);
      if (index % 2 === 0) table.want({ name: each, stored: 7, sha256: each });
      table.list(each, 7);
    }
    const after = process.memoryUsage();
    const held = after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed;
    expect(table.size).toBe(1_000_000);
    expect(table.isPresent(nameOf(777_776))).toBe(true);
    expect(table.isWanted(nameOf(777_777))).toBe(false);
    expect(held).toBeLessThan(200e6);
  });
});
