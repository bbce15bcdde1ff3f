import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Heap } from '../../src/runtime/heap.ts';

const compare = (one: number, other: number) => one - other;

test('the first is taken, whatever was added and taken before, and the order is that of a sort', () => {
  const steps = fc.array(fc.option(fc.integer({ min: 0, max: 9 })), { maxLength: 60 });
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 })), steps, (given, more) => {
      const heap = new Heap(compare, given);
      const model = [...given];
      for (const step of more) {
        model.sort(compare);
        if (step === null) expect(heap.take()).toBe(model.shift());
        else {
          heap.add(step);
          model.push(step);
        }
        expect([...heap.inOrder()]).toEqual(model.toSorted(compare));
      }
    }),
  );
});
