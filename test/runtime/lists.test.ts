import { describe, expect, it } from 'vitest';
import { append } from '../../src/runtime/lists.ts';

const many = Array.from({ length: 300_000 }, (_, index) => index);

describe('a list', () => {
  it('takes more at once than a call has arguments', () => {
    const list = [-1];
    expect(() => list.push(...many)).toThrow(RangeError);
    append(list, many);
    expect([list.length, list.at(-1)]).toEqual([300_001, 299_999]);
  });
});
