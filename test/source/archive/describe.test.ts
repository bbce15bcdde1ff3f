import { expect, it } from 'vitest';
import { objectSize } from '../../../src/format/limits.ts';
import { storeSupplement } from '../../../src/source/archive/describe.ts';
import { makeSupplement } from '../../parity/example.ts';

it('a description that is longer than an object is cut into several, and none of it is lost', async () => {
  const line = { kind: 'column', schema: 'public', relation: 'orders', detail: 'ü'.repeat(4000) };
  const definitions = Array.from({ length: 5000 }, (_, n) => ({ ...line, name: `column_${n}` }));
  const supplement = makeSupplement({ definitions });
  const stored: Buffer[] = [];
  const pieces = await storeSupplement(
    supplement,
    async (plaintext) => ({ name: String(stored.push(Buffer.from(plaintext))) }),
    new AbortController().signal,
  );
  expect(pieces.map(({ offset, length }) => [offset, length])).toEqual(
    stored.map((object) => [0, object.length]),
  );
  expect(stored.map((object) => object.length)).toEqual([objectSize, expect.any(Number)]);
  expect(JSON.parse(Buffer.concat(stored).toString('utf8'))).toEqual(supplement);
});
