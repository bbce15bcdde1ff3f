import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BrokenSealError, openSealed, sealContent } from '../../src/repository/seal.ts';
import { createRepository } from './example.ts';

const repository = await createRepository();
const content = { id: 'ü "🎉"', seal: undefined, list: [1, { seal: 'x' }] };

it('gives back what was sealed, whatever it is', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1, noNullPrototype: true }),
      (object) => {
        const opened = openSealed(repository, 'manifest', sealContent(repository, 'manifest', object));
        expect(opened).toBe(JSON.stringify(object));
      },
    ),
  );
});

it('is the HMAC that docs/format.md describes', () => {
  const text = sealContent(repository, 'record pins', { pinned: true }).toString();
  const seal = createHmac('sha256', repository.key).update('record pins\0{"pinned":true}').digest('hex');
  expect(text).toBe(`{"pinned":true,"seal":"${seal}"}\n`);
});

it.each([
  ['a manifest', 'a record', 'manifest', 'record pins'],
  ['a segment', 'a manifest', 'segment', 'manifest'],
  ['a manifest', 'a segment', 'manifest', 'segment'],
  ['a record', 'a manifest', 'record pins', 'manifest'],
  ['a record', 'one of another kind', 'record pins', 'record validations'],
] as const)('never lets %s pass for %s', (_one, _other, sealed, opened) => {
  const bytes = sealContent(repository, sealed, content);
  expect(() => openSealed(repository, opened, bytes)).toThrow(BrokenSealError);
});

it('notices any byte that changed, and any that is missing', () => {
  const bytes = sealContent(repository, 'manifest', content);
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    expect(() => openSealed(repository, 'manifest', changed), `byte ${at}`).toThrow(BrokenSealError);
    // The last byte is a line break that says nothing.
    if (at === bytes.length - 1) continue;
    expect(() => openSealed(repository, 'manifest', bytes.subarray(0, at)), `cut at ${at}`).toThrow(
      BrokenSealError,
    );
  }
});

it('is not fooled by bytes that are no UTF-8, which all read as the same character', () => {
  const bytes = sealContent(repository, 'manifest', { text: '\ufffd' });
  const at = bytes.indexOf(Buffer.from('\ufffd'));
  const changed = Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff]), bytes.subarray(at + 3)]);
  expect(changed.toString()).toBe(bytes.toString());
  expect(() => openSealed(repository, 'manifest', changed)).toThrow(BrokenSealError);
});

it('of another repository does not fit', async () => {
  const other = await createRepository();
  const bytes = sealContent(other, 'manifest', content);
  expect(() => openSealed(repository, 'manifest', bytes)).toThrow(/seal does not fit/);
});
