import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import * as v from 'valibot';
import { expect, it } from 'vitest';
import {
  BrokenSealError,
  openSealed,
  readSealed,
  type SealedKind,
  SealedReading,
  sealContent,
  sizeLimit,
} from '../../src/repository/signature.ts';
import { IntegrityError } from '../../src/runtime/errors.ts';
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
  expect(() => openSealed(repository, 'manifest', bytes)).toThrow(/seal does not match/);
});

it('seals nothing that no reader would take', () => {
  const names = 'x'.repeat(8 * 1024 * 1024);
  expect(() => sealContent(repository, 'record garbage', { names })).toThrow(
    /8388\d+ bytes; the limit is 8388608/,
  );
  expect(sealContent(repository, 'record pins', { names }).length).toBeGreaterThan(names.length);
});

it('has a damaged file where there is a larger one than can be, and reads none of it', async () => {
  const [key, kind] = ['records/pins/20261120T021700Z-0000.json', 'record pins'] as const;
  const read = () => readSealed(repository, kind, key, v.object({}), (how) => new IntegrityError(how, ''));
  await repository.storage.put(key, Buffer.alloc(sizeLimit(kind) + 1));
  await expect(read()).rejects.toThrow(IntegrityError);
  await expect(read()).rejects.toThrow('it has 33554433 bytes; the limit is 33554432');
  await repository.storage.delete([key]);
});

it('is read by many at once, but not more than fits the memory', async () => {
  const reading = new SealedReading();
  let [open, most] = [0, 0];
  const read = (size: number, kind: SealedKind = 'manifest') =>
    reading.next(kind, size, async () => {
      open += size;
      most = Math.max(most, open);
      await new Promise((resolve) => setTimeout(resolve, 1));
      open -= size;
      if (size === 7) throw new Error('seven');
      return size;
    });
  const mebibyte = 1024 * 1024;
  const sizes = [100 * mebibyte, 1, 20 * mebibyte, 20 * mebibyte, 7, 5, 100 * mebibyte, 12 * mebibyte];
  const results = await Promise.allSettled(sizes.map((size) => read(size)));
  expect(results.map(({ status }) => status === 'fulfilled')).toEqual(sizes.map((size) => size !== 7));
  expect(most).toBe(100 * mebibyte);
  // What is too large is not read, and so waits for nobody.
  const held = reading.next(
    'manifest',
    100 * mebibyte,
    () => new Promise<void>((resolve) => setTimeout(resolve, 200)),
  );
  expect(await read(5 * 1024 * mebibyte, 'segment')).toBe(5 * 1024 * mebibyte);
  await held;
});
