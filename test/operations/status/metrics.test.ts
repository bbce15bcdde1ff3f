import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type FindingKind, findingKinds, isLimit } from '../../../src/interface/findings/finding.ts';
import { renderMetrics } from '../../../src/operations/status/metrics.ts';
import { writeMetricsFile } from '../../../src/operations/status/metrics-file.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { examples } from '../../interface/findings/examples.ts';
import { ago, hour, now, shelve } from '../../repository/backups/freshness-example.ts';
import { createContext } from '../../support/context.ts';
import { hasPrometheusParsers, hasPromtool, lintMetrics, parseMetrics } from '../../support/prometheus.ts';
import { makeFacts } from '../managed/layers-example.ts';
import { weigh } from './example.ts';
import { makeRun, makeSchedules, slot } from './watched-example.ts';

const seconds = (date: Date) => date.getTime() / 1000;
const windows = [{ from: ago(20).toISOString(), to: ago(1).toISOString(), gap: null }];
const growth = { kind: 'measured' as const, bytes: 7e6, points: 9 };
const full = {
  ...weigh([shelve(2, { kind: 'incremental' }), shelve(20), shelve(40)], {
    limits: { maxAge: 26 * hour, verifiedWithin: hour, drilledWithin: undefined },
    recoverable: { windows, damaged: [], captured: true },
    schedules: makeSchedules(30),
    runs: [
      makeRun(6, { operation: 'backup', backupType: 'full', outcome: 'failed', exitCode: 1 }),
      makeRun(5, { operation: 'backup', backupType: 'full' }),
      // A capture that took a backup is no attempt at one.
      makeRun(4, { backupType: 'incremental', slot: { at: ago(4).toISOString(), state: slot } }),
    ],
  }),
  growth,
  verified: { id: 'x', at: ago(4) },
  drilled: { id: 'x', at: ago(3), recovery: 90_500 },
  recovery: { kind: 'measured' as const, milliseconds: 90_500, backup: 'x', at: ago(3) },
};
const databaseLabel = { database: 'shop' };

/** Every name and value, by the parser of others. */
function measure(status: Parameters<typeof renderMetrics>[0]): Record<string, unknown> {
  const families = parseMetrics(renderMetrics(status, 'shop'), 'openmetrics');
  return Object.fromEntries(
    families.map(({ name, samples }) => [
      name.replace('supabase_backup_', ''),
      samples.map(({ labels, value }) => [labels, value]),
    ]),
  );
}

describe('the metrics of a status', () => {
  it.skipIf(!hasPrometheusParsers)('have the names that are promised, and times instead of ages', () => {
    const found = measure(full);
    const one = (value: number) => [[databaseLabel, value]];
    const kinds = (incremental: number, whole: number) => [
      [{ ...databaseLabel, kind: 'full' }, whole],
      [{ ...databaseLabel, kind: 'incremental' }, incremental],
    ];
    const outcomes = (operation: string, counts: Record<string, number>) =>
      Object.entries(counts).map(([outcome, count]) => [{ ...databaseLabel, operation, outcome }, count]);
    const { finding, info, ...others } = found;
    expect(others).toEqual({
      status_timestamp_seconds: one(seconds(now)),
      last_success_timestamp_seconds: kinds(seconds(ago(2)) + 60, seconds(ago(20)) + 60),
      last_attempt_timestamp_seconds: [
        [{ ...databaseLabel, kind: 'capture' }, seconds(ago(4))],
        [{ ...databaseLabel, kind: 'full' }, seconds(ago(5))],
      ],
      last_verified_timestamp_seconds: one(seconds(ago(4))),
      last_drill_success_timestamp_seconds: one(seconds(ago(3))),
      recoverable_from_timestamp_seconds: one(seconds(ago(20))),
      recoverable_to_timestamp_seconds: one(seconds(ago(1))),
      slot_seen_timestamp_seconds: one(seconds(ago(4))),
      slot_retained_bytes: one(slot.retainedBytes),
      slot_safe_bytes: one(slot.safeBytes ?? 0),
      schedule_enabled: (['full', 'capture', 'drill', 'cleanup', 'watch'] as const).map((kind) => [
        { ...databaseLabel, kind },
        kind === 'watch' ? 1 : 0,
      ]),
      recorded_runs: [
        ...outcomes('backup', { done: 1, no: 0, failed: 1 }),
        ...outcomes('capture', { done: 1, no: 0, failed: 0 }),
      ],
      success_ratio: [
        [{ ...databaseLabel, operation: 'backup' }, 0.5],
        [{ ...databaseLabel, operation: 'capture' }, 1],
      ],
      last_duration_seconds: kinds(60, 60),
      last_size_bytes: kinds(5000, 5000),
      last_rows: kinds(1000, 1000),
      stored_bytes: Object.entries({
        ...{ objects: 120_000, manifests: 3000, changes: 200, records: 250, others: 6 },
      }).map(([content, value]) => [{ ...databaseLabel, storage: './backups', content }, value]),
      month_growth_bytes: one(7e6),
      recovery_time_seconds: one(90.5),
      longest_gap_seconds: one(3600),
      limit_broken: [
        [{ ...databaseLabel, limit: 'max-age' }, 0],
        [{ ...databaseLabel, limit: 'verified-within' }, 1],
      ],
      backups: one(3),
    });
    expect(info).toMatchObject([[{ version: expect.any(String) }, 1]]);
    expect(finding).toContainEqual([{ ...databaseLabel, finding: 'shrinkage', severity: 'warning' }, 0]);
  });

  it.skipIf(!hasPrometheusParsers)('leave out what was not measured, which is not 0', () => {
    const names = Object.keys(measure(weigh([])));
    expect(names).toEqual([
      'status_timestamp_seconds',
      'stored_bytes',
      'limit_broken',
      'finding',
      'backups',
      'info',
    ]);
  });

  it.skipIf(!hasPrometheusParsers)('are gauges with units, to the parsers of both formats', () => {
    const text = renderMetrics(full);
    const [newer, older] = (['openmetrics', 'text'] as const).map((format) => parseMetrics(text, format));
    expect(older?.map(({ name, type, samples }) => ({ name, type, samples }))).toEqual(
      newer?.map(({ name, type, samples }) => ({ name, type, samples })),
    );
    for (const { name, type, unit } of newer ?? []) {
      expect({ name, type, unit }).toEqual({
        name,
        type: 'gauge',
        unit: /_(seconds|bytes)$/.exec(name)?.[1] ?? '',
      });
    }
  });

  it.skipIf(!hasPromtool)('are what promtool asks of metrics', () => {
    expect(lintMetrics(renderMetrics(full))).toBe('');
  });

  it('are those of the documents', () => {
    const page = readFileSync(path.join(import.meta.dirname, '../../../docs/status.md'), 'utf8');
    const table = page.slice(page.indexOf('| metric | labels |'), page.indexOf('Times are told, never ages'));
    const names = [...renderMetrics(full).matchAll(/^# TYPE supabase_backup_(\w+)/gm)].map(
      ([, name]) => name,
    );
    expect([...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name).sort()).toEqual(names.sort());
  });

  it('name no backup, so that none stays behind that rings', () => {
    const text = renderMetrics(full);
    for (const { id } of full.usable) expect(text).not.toContain(id);
    expect(text).toMatch(/\n# EOF\n$/);
    expect(text).toContain('{database="./backups"}');
  });
});

describe.each(Object.keys(findingKinds) as FindingKind[])('a finding of the kind %s', (kind) => {
  const finding = examples[kind];
  const lineOf = (findings: readonly (typeof finding)[]) =>
    renderMetrics({ ...weigh([shelve(1)], { managed: makeFacts() }), findings }, 'shop')
      .split('\n')
      .filter((line) => line.includes(`limit="${kind}"`) || line.includes(`finding="${kind}"`));

  it('is a metric', () => {
    const name = isLimit(finding) ? 'limit_broken' : 'finding';
    const [line, ...more] = lineOf([finding]).filter((each) => !each.endsWith(' 0'));
    expect(line).toMatch(new RegExp(`^supabase_backup_${name}\\{database="shop",.*\\} 1$`));
    if (!isLimit(finding)) expect(line).toContain(`severity="${finding.severity}"`);
    expect(more).toEqual([]);
  });

  it('is 0 where it is not there, and a limit that nobody asked for is no metric', () => {
    const others = lineOf([]);
    if (isLimit(finding)) {
      expect(others).toEqual([]);
      expect(lineOf([{ ...finding, severity: 'note' }])).toEqual([
        `supabase_backup_limit_broken{database="shop",limit="${kind}"} 0`,
      ]);
    } else {
      expect(others).toEqual(
        findingKinds[kind].severities.map(
          (severity) => `supabase_backup_finding{database="shop",finding="${kind}",severity="${severity}"} 0`,
        ),
      );
    }
  });
});

it('what was not asked of the platform is no metric, and never 0', () => {
  const asked = renderMetrics(weigh([shelve(1)], { managed: makeFacts() }), 'shop');
  expect(asked).toContain(
    `supabase_backup_managed_recoverable_to_timestamp_seconds{database="shop"} ${ago(9).getTime() / 1000}`,
  );
  expect(renderMetrics(weigh([shelve(1)]), 'shop')).not.toContain('managed-');
});

describe('a file of metrics', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'metrics-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'backup.prom');
  const context = createContext({ redact: (text) => text.replaceAll('secret', '***') });

  it('is replaced as a whole, can be read by a collector, and holds no secret', async () => {
    await writeMetricsFile(file, 'a longer text of before\n', context);
    const { ino } = statSync(file);
    await writeMetricsFile(file, 'secret 1\n', context);
    expect(readFileSync(file, 'utf8')).toBe('*** 1\n');
    expect(statSync(file).ino).not.toBe(ino);
    expect(statSync(file).mode & 0o444).toBe(0o444);
    expect(readdirSync(folder)).toEqual(['backup.prom']);
  });

  it('that cannot be written is the mistake of an input, and leaves nothing behind', async () => {
    const nowhere = path.join(folder, 'nowhere', 'backup.prom');
    await expect(writeMetricsFile(nowhere, '', context)).rejects.toThrow(ConfigurationError);
    await expect(writeMetricsFile(folder, '', context)).rejects.toThrow(/metrics-file: .* cannot be written/);
    expect(readdirSync(folder)).toEqual(['backup.prom']);
    expect(
      readdirSync(path.dirname(folder)).filter((name) => name.startsWith(`${path.basename(folder)}.`)),
    ).toEqual([]);
  });
});
