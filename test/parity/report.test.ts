import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ageAt, describeParity } from '../../src/parity/report.ts';
import { renderMarkdown } from '../../src/report/markdown.ts';
import { makeReportFolder, writeParity } from '../../src/restorer/trial/parity-files.ts';
import { ConfigurationError } from '../../src/runtime/errors.ts';
import { makeManifest } from '../repository/example.ts';
import { createContext } from '../support/context.ts';
import { makeLine, makeParity } from './example.ts';

const snapshotAt = '2026-11-20T02:17:00.000Z';
const render = (...args: Parameters<typeof describeParity>) => renderMarkdown(describeParity(...args));

const widened = makeParity(
  {
    tables: [makeLine(), makeLine({ what: 'public.gone', status: 'different', found: 'no such table' })],
    definitions: [
      makeLine({ kind: 'policy', what: 'public.todos own', status: 'not carried', why: 'refused' }),
    ],
    privileges: [
      makeLine({ kind: 'table', what: 'anon on public.secrets', status: 'different', wider: true }),
      makeLine({
        kind: 'schema',
        what: 'anon on auth',
        status: 'not carried',
        wider: true,
        why: 'the platform',
      }),
    ],
    sequences: [makeLine({ kind: 'sequence', what: 'public.s', why: 'behind: public.t.id is at 5' })],
    freshness: [
      makeLine({ kind: 'newest value', what: 'public.orders.at', expected: '2026-11-20 02:10:02+00' }),
    ],
  },
  [
    { grantee: 'anon', tables: { expected: 3, found: 58 }, definers: { expected: 5, found: 132 } },
    { grantee: 'authenticated', tables: { expected: 4, found: 4 }, definers: { expected: 1, found: 1 } },
  ],
);

describe('the report of a comparison', () => {
  it('says first who can reach what now, then what differs, then what was not carried', () => {
    const text = render(widened, snapshotAt).replaceAll('\\', '');
    const places = [
      'Parity: DIFFERENT',
      '2 lines differ: 1 privilege, the rows of 1 table; 1 of them lets somebody do more than in the source. 2 are not carried, for a reason that was known.',
      '| tables: rows and content | 1 | 1 | 0 |',
      'anon can reach 58 tables, 3 in the source; may execute 132 SECURITY DEFINER functions, 5 in the source.',
      'anon on public.secrets',
      'table public.gone',
      '6 min 58 s',
      'behind: public.t.id is at 5',
      'schema anon on auth',
      'policy public.todos own',
    ].map((part) => text.indexOf(part));
    expect(places).toEqual(places.toSorted((one, other) => one - other));
    expect(places).not.toContain(-1);
    expect(text).not.toContain('authenticated');
    expect(text).not.toContain('public.orders |');
  });

  it('says nothing of reach when nothing is wider', () => {
    const text = render(makeParity({ tables: [makeLine()] }, widened.reach), snapshotAt);
    expect(text).toContain('Parity: equal');
    expect(text).not.toContain('anon');
  });

  it('stays within its lines, the most important ones, and tells how many there are more', () => {
    const lines = Array.from({ length: 500 }, (_, index) =>
      makeLine({
        what: `public.t${index}`,
        status: index < 250 ? 'not carried' : 'different',
        why: `reason ${index}`,
      }),
    );
    const parity = makeParity({ tables: lines, privileges: widened.groups.privileges });
    const text = render(parity, snapshotAt);
    expect(text.split('\n').length).toBeLessThan(240);
    expect(text).toContain('anon on public.secrets');
    expect(text).toContain('And 302 more lines');
    expect(text).toContain('public.t250 ');
    expect(text).not.toContain('public.t0 ');
    expect(render(parity, snapshotAt, Number.POSITIVE_INFINITY)).toContain('public.t0 ');
  });

  it('tells many lines of one kind and one reason as one, and each of them where all are wanted', () => {
    const lines = (count: number, overrides: Parameters<typeof makeLine>[0]) =>
      Array.from({ length: count }, (_, index) => makeLine({ what: `public.i${index}`, ...overrides }));
    const parity = makeParity({
      definitions: [
        ...lines(610, {
          kind: 'index',
          status: 'different',
          why: 'duplicates',
          expected: 'a',
          found: 'nothing',
        }),
        ...lines(5, { kind: 'policy', status: 'different', expected: 'b', found: 'c' }),
        ...lines(7, { kind: 'policy', status: 'different', expected: 'b', found: 'd' }),
        ...lines(9, { kind: 'acl', status: 'not carried', why: 'refused' }).map((line, index) => ({
          ...line,
          found: String(index),
        })),
      ],
    });
    const text = render(parity, snapshotAt).replaceAll('\\', '');
    expect(text).toContain(
      '622 lines differ: 610 indexes, 12 policies. 9 are not carried, for a reason that was known.',
    );
    expect(text).toContain(
      '| 610 indexes: public.i0, public.i1, public.i2 and 607 more | a | nothing | duplicates |',
    );
    expect(text).toContain('| policy public.i4 | b | c |');
    expect(text).toContain('| 7 policies: public.i0, public.i1, public.i2 and 4 more | b | d |');
    expect(text).toContain(
      '| 9 acls: public.i0, public.i1, public.i2 and 6 more | 3 rows | various | refused |',
    );
    expect(text.split('\n').length).toBeLessThan(40);
    expect(render(parity, snapshotAt, Number.POSITIVE_INFINITY).split('\n').length).toBeGreaterThan(630);
  });

  it('says in a sentence that nothing differs', () => {
    expect(render(makeParity({ tables: [makeLine()] }), snapshotAt)).toContain(
      '1 line was compared, and none differs.',
    );
  });

  it('shows of two long texts where they begin to differ', () => {
    const [one, other] = [`${'a'.repeat(5000)}, enabled`, `${'a'.repeat(5000)}, disabled`];
    const text = render(
      makeParity({ definitions: [makeLine({ expected: one, found: other, status: 'different' })] }),
      snapshotAt,
    );
    expect(text).toMatch(/…a+, enabled \| …a+, disabled/);
    expect(text.length).toBeLessThan(1000);
  });

  it.each([
    ['2026-11-20 02:16:59.5+00', 500],
    ['2026-11-20 02:18:00+00', -60_000],
    ['2026-11-20 02:17:00', 0],
    ['2026-11-20', 8_220_000],
    ['infinity', undefined],
    ['no rows', undefined],
    ['20261120', undefined],
  ])('takes %s for %s milliseconds old', (newest, age) => {
    expect(ageAt(newest, snapshotAt)).toBe(age);
  });
});

describe('the files of a comparison', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'parity-report-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const scope = { manifest: makeManifest(), target: 'postgres at localhost', kind: 'plain' as const };
  const read = (within: string, name: string) => readFileSync(path.join(within, name), 'utf8');

  it('are written under the name of the backup and under a name that is known beforehand', async () => {
    const reports = path.join(folder, 'made', 'here');
    await makeReportFolder(reports);
    const context = createContext();
    await writeParity(reports, scope, makeParity(), context);
    const next = { ...scope, manifest: makeManifest({ id: '20261121T021700Z-0000' }) };
    await writeParity(reports, next, widened, context);
    expect(readdirSync(reports).sort()).toEqual([
      'parity-20261120T021700Z-7f3a.json',
      'parity-20261120T021700Z-7f3a.md',
      'parity-20261121T021700Z-0000.json',
      'parity-20261121T021700Z-0000.md',
      'parity.json',
      'parity.md',
    ]);
    for (const extension of ['md', 'json']) {
      expect(read(reports, `parity.${extension}`)).toBe(
        read(reports, `parity-${next.manifest.id}.${extension}`),
      );
    }
    expect(read(reports, 'parity.md')).toContain('Backup `20261121T021700Z-0000` of');
    expect(context.log.warnings).toEqual([]);
  });

  it('have every line, the equal ones too, in fields of stable names', async () => {
    await makeReportFolder(folder);
    await writeParity(folder, scope, widened, createContext());
    expect(JSON.parse(read(folder, 'parity.json'))).toMatchObject({
      format: 1,
      backup: scope.manifest.id,
      snapshotAt: scope.manifest.source.snapshotAt,
      target: 'postgres at localhost',
      targetKind: 'plain',
      comparedAt: '2026-11-20T02:17:00.000Z',
      verdict: 'different',
      reach: widened.reach,
      groups: {
        tables: { equal: 1, different: 1, notCarried: 0, lines: widened.groups.tables },
        privileges: { equal: 0, different: 1, notCarried: 1, lines: widened.groups.privileges },
        freshness: { lines: [{ what: 'public.orders.at', ageSeconds: 419.654 }] },
        answers: { equal: 0, different: 0, notCarried: 0, lines: [] },
      },
    });
  });

  it('are no reason for a restore that is done to fail, but for one that has not begun', async () => {
    const file = path.join(folder, 'file');
    writeFileSync(file, '');
    const error = await makeReportFolder(file).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain('is not writable');
    await expect(makeReportFolder(path.join(file, 'below'))).rejects.toBeInstanceOf(ConfigurationError);
    const context = createContext();
    await writeParity(file, scope, widened, context);
    expect(context.log.warnings).toEqual([
      expect.stringContaining('report-folder: the comparison could not be written'),
    ]);
    await writeParity(undefined, scope, widened, context);
    expect(context.log.warnings).toHaveLength(1);
  });
});
