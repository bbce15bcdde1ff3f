import { describe, expect, it } from 'vitest';
import type { ArchiveEntry } from '../../../src/postgres/client/table-of-contents.ts';
import { splitIntoSteps } from '../../../src/restorer/archive/steps.ts';

let ids = 0;
const entry = (kind: string, ...needs: readonly ArchiveEntry[]): ArchiveEntry => ({
  id: ++ids,
  catalogOid: 0,
  oid: ids,
  kind,
  schema: 'public',
  name: `${kind.toLowerCase()} ${ids}`,
  owner: 'postgres',
  needs: needs.map(({ id }) => id),
});

function stepsOf(entries: readonly ArchiveEntry[]): (string | undefined)[] {
  const found = splitIntoSteps(entries);
  return entries.map((one) => [...found].find(([, members]) => members.includes(one))?.[0]);
}

describe('the step of an entry', () => {
  it('comes after what it needs, however deep', () => {
    const table = entry('TABLE');
    const key = entry('CONSTRAINT', table);
    const totals = entry('MATERIALIZED VIEW', table, key);
    const index = entry('INDEX', totals);
    const top = entry('VIEW', totals);
    const onTop = entry('FUNCTION', top);
    const defaulted = entry('TABLE', onTop);
    const comment = entry('COMMENT', totals);
    const data = entry('MATERIALIZED VIEW DATA', totals);
    const grant = entry('ACL', top);
    expect(stepsOf([table, key, totals, index, top, onTop, defaulted, comment, data, grant])).toEqual([
      'definitions',
      'indexes and constraints',
      ...Array(6).fill('definitions that need keys'),
      'materialized views',
      'grants',
    ]);
  });

  it('is never one of another kind alone', () => {
    const key = entry('FK CONSTRAINT');
    const attach = entry('INDEX ATTACH');
    expect(stepsOf([key, attach, entry('VIEW', key), entry('VIEW', attach), entry('INDEX', attach)])).toEqual(
      [
        'foreign keys',
        'indexes of partitions',
        'triggers and policies',
        'definitions that need keys',
        'definitions that need keys',
      ],
    );
  });

  it('is found where entries need each other', () => {
    const one = entry('TABLE');
    const other = { ...entry('FUNCTION', one), id: ++ids };
    const circle = { ...one, needs: [other.id] };
    expect(stepsOf([circle, other])).toEqual(['definitions', 'definitions']);
  });
});
