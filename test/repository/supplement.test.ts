import { describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/repository/manifest.ts';
import type { ObjectReader } from '../../src/repository/objects.ts';
import {
  type Definition,
  findFlaw,
  readSupplement,
  writeSupplement,
} from '../../src/repository/supplement.ts';
import { makeSupplement } from '../target/parity-example.ts';
import { makeManifest, makeObject } from './example.ts';

const define = (overrides: Partial<Definition> = {}): Definition => ({
  kind: 'column',
  schema: 'public',
  relation: 't',
  name: 'a',
  detail: 'integer',
  ...overrides,
});

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
    const text = writeSupplement(supplement);
    expect(await readStored(text)).toEqual(supplement);
    expect(await readStored(text.subarray(0, 7), text.subarray(7))).toEqual(supplement);
  });

  it.each([
    ['integer; not null; with pg_attver=208014008', 'integer; not null'],
    ['integer; with n_distinct=5, pg_attver=1', 'integer; with n_distinct=5'],
    ['integer; with pg_attver=1; options column_name=x', 'integer; options column_name=x'],
    ["text; default 'with pg_attver=1'::text", "text; default 'with pg_attver=1'::text"],
    ['integer; with n_distinct=5', 'integer; with n_distinct=5'],
  ])('of a column has no notes of the server: %s', async (detail, read) => {
    const stored = writeSupplement(makeSupplement({ definitions: [define({ detail })] }));
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
    expect((await readStored(writeSupplement(stored))).definitions.map(({ name }) => name)).toEqual([
      '=(a, a)',
      'for integer language sql',
    ]);
  });

  it('is told to be unreadable before it is stored, with the place', () => {
    expect(findFlaw(makeSupplement())).toBeUndefined();
    const flaw = findFlaw(makeSupplement({ definitions: [define({ name: null as never })] }));
    expect(flaw).toMatch(/^definitions\.0\.name: .*null/);
  });
});
