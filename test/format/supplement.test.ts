import { describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/format/manifest.ts';
import { type Definition, type Supplement, writeSupplement } from '../../src/format/supplement.ts';
import type { ObjectReader } from '../../src/repository/objects/store.ts';
import { readSupplement } from '../../src/repository/objects/supplement.ts';
import { IntegrityError } from '../../src/runtime/errors.ts';
import { makeSupplement } from '../parity/example.ts';
import { makeManifest, makeObject } from '../repository/example.ts';

const define = (overrides: Partial<Definition> = {}): Definition => ({
  kind: 'column',
  schema: 'public',
  relation: 't',
  name: 'a',
  detail: 'integer',
  ...overrides,
});

const write = (supplement: Supplement) => [...writeSupplement(supplement)].join('');

/** Reads what a backup has stored, in as many pieces as are given. */
function readStored(...pieces: readonly Buffer[]) {
  const manifest: Manifest = makeManifest({
    objects: pieces.map((piece) => makeObject(piece.length)),
    supplement: { bytes: 0, objects: pieces.map((_, index) => index) },
  });
  const reader = { read: async (object: unknown) => pieces[manifest.objects.indexOf(object as never)] };
  return readSupplement(manifest, reader as unknown as ObjectReader);
}

describe('a stored description', () => {
  it('is read as it was written, from any number of pieces', async () => {
    const supplement = makeSupplement({ definitions: [define()] });
    const text = Buffer.from(write(supplement));
    expect(await readStored(text)).toEqual(supplement);
    expect(await readStored(text.subarray(0, 7), text.subarray(7))).toEqual(supplement);
  });

  it('is not read where it would be longer than a text can be', async () => {
    const object = makeObject(32 * 1024 * 1024);
    const manifest = makeManifest({
      objects: [object],
      supplement: { bytes: 0, objects: Array(17).fill(0) },
    });
    const reader = { read: () => Promise.reject(new Error('was read')) };
    await expect(readSupplement(manifest, reader as unknown as ObjectReader)).rejects.toThrow(
      /its supplement has 570425344 bytes/,
    );
  });

  it.each([
    ['integer; not null; with pg_attver=208014008', 'integer; not null'],
    ['integer; with n_distinct=5, pg_attver=1', 'integer; with n_distinct=5'],
    ['integer; with pg_attver=1; options column_name=x', 'integer; options column_name=x'],
    ["text; default 'with pg_attver=1'::text", "text; default 'with pg_attver=1'::text"],
    ['integer; with n_distinct=5', 'integer; with n_distinct=5'],
  ])('of a column has no notes of the server: %s', async (detail, read) => {
    const stored = Buffer.from(write(makeSupplement({ definitions: [define({ detail })] })));
    expect((await readStored(stored)).definitions).toEqual([define({ detail: read })]);
  });

  it('passes over what pg_dump leaves out, and calls a transform as every server does', async () => {
    const stored = makeSupplement({
      definitions: [
        define({
          kind: 'comment',
          schema: null,
          relation: null,
          name: null as never,
          detail: 'of what is gone',
        }),
        define({ kind: 'operator', relation: null, name: '!==(boolean, boolean)', detail: '' }),
        define({ kind: 'operator', relation: null, name: '=(a, a)', detail: 'function public.f(a,a)' }),
        define({ kind: 'transform', relation: null, name: 'for integer on language sql', detail: '' }),
      ],
    });
    // As an older version wrote it, which did not look
    const text = Buffer.from(JSON.stringify(stored));
    expect((await readStored(text)).definitions.map(({ name }) => name)).toEqual([
      '=(a, a)',
      'for integer language sql',
    ]);
  });

  it('is the JSON of the whole, part by part', () => {
    for (const supplement of [
      makeSupplement(),
      makeSupplement({ definitions: [], privileges: [], roles: [] }),
    ]) {
      expect(JSON.parse(write(supplement))).toEqual(supplement);
    }
    const [line] = [{ kind: 'table', schema: 'public', relation: null, name: '"ü" 🎉', detail: 'a\nb' }];
    const text = write(makeSupplement({ definitions: [line, line] }));
    expect(text).toContain(`"definitions":[${JSON.stringify(line)},${JSON.stringify(line)}]`);
  });

  it('is refused with a line that no restore could read, before there is a manifest', () => {
    const unreadable = { kind: 'comment', schema: null, relation: null, name: null, detail: 'x' };
    const supplement = makeSupplement({ definitions: [unreadable as never] });
    expect(() => write(supplement)).toThrow(IntegrityError);
    expect(() => write(supplement)).toThrow(/definitions \{"kind":"comment"/);
  });
});
