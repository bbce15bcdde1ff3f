import { describe, expect, it } from 'vitest';
import { digestDefinitions, type TableIdentity } from '../../../src/source/changes/definitions-digest.ts';
import { createRepository } from '../../repository/example.ts';

const repository = await createRepository();

describe('the digest of definitions', () => {
  const lines = [
    { kind: 'view', schema: 'public', relation: 'v', name: '', detail: 'SELECT 1' },
    { kind: 'function', schema: 'public', relation: null, name: 'f()', detail: 'x' },
    { kind: 'function', schema: 'public', relation: '', name: 'f()', detail: 'x' },
  ];
  const tables: TableIdentity[] = [
    { oid: 16400, schema: 'public', name: 't', fingerprint: 'e'.repeat(64) },
    { oid: 16401, schema: 'public', name: 'u', fingerprint: 'e'.repeat(64) },
  ];
  const digest = (some = lines, others = tables) => digestDefinitions(repository, some, others);

  it('does not depend on the order', () => {
    expect(digest(lines.toReversed(), tables.toReversed())).toBe(digest());
    expect(digest()).toMatch(/^[0-9a-f]{64}$/);
  });

  it('changes with anything in them', () => {
    const [view, ...others] = lines as [(typeof lines)[0], ...typeof lines];
    const [table, last] = tables as [TableIdentity, TableIdentity];
    const all = [
      digest(),
      digest(others),
      digest([...lines, view]),
      ...(['kind', 'schema', 'relation', 'name', 'detail'] as const).map((field) =>
        digest([{ ...view, [field]: 'other' }, ...others]),
      ),
      digest([{ ...view, relation: 'v\n' }, ...others]),
      digest(lines, [last]),
      digest(lines, [{ ...table, oid: 16402 }, last]),
      digest(lines, [{ ...table, name: 'x' }, last]),
      digest(lines, [{ ...table, schema: 'x' }, last]),
      digest(lines, [{ ...table, fingerprint: 'x' }, last]),
      digest([], []),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  it('tells nothing to one without the key', async () => {
    expect(digestDefinitions(await createRepository(), lines, tables)).not.toBe(digest());
  });
});
