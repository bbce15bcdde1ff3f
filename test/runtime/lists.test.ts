import { describe, expect, it } from 'vitest';
import { append, refill } from '../../src/runtime/lists.ts';

const many = Array.from({ length: 300_000 }, (_, index) => index);

describe('a list', () => {
  it('takes more at once than a call has arguments', () => {
    const list = [-1];
    expect(() => list.push(...many)).toThrow(RangeError);
    append(list, many);
    expect([list.length, list.at(-1)]).toEqual([300_001, 299_999]);
  });

  it('is given other elements in place, also out of itself', () => {
    const list = [...many];
    refill(
      list,
      list.filter((element) => element % 2 === 0),
    );
    expect([list.length, list.at(-1)]).toEqual([150_000, 299_998]);
    refill(list, list);
    expect(list.length).toBe(150_000);
  });
});
