import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rebuildRows } from '../../src/records/rebuild.ts';
import { writeSchedules } from '../../src/records/schedules.ts';
import type { Repository } from '../../src/repository/open.ts';
import type { RecordContent } from '../../src/repository/records.ts';
import { median } from '../../src/values/median.ts';
import { createRepository } from '../repository/example.ts';
import { createDatabase, query } from '../scenarios/shop.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { presentContext } from '../support/context.ts';
import { addDrill, addRestore, addRun, ago, day, deliver, dropReader, minute, open } from './setting.ts';

/**
 * Every query of docs/records.md as it is printed, run by psql. What it should answer is computed here, of the records that were put
 * into the repository.
 */

const page = readFileSync(join(import.meta.dirname, '../../docs/records.md'), 'utf8');
const queries = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((part) => [part.split('\n', 1)[0] ?? '', /```sql\n(.*?)```/s.exec(part)?.[1] ?? '']),
);

type Run = RecordContent<'runs'>;
const failure = {
  class: 'SourceError/authentication',
  message: 'the password is wrong',
  next: 'Correct it.',
};
const other = { ...failure, class: 'StorageError/unreachable', next: 'Wait.' };
const nothing = { backup: null, backupType: null, rows: undefined, bytes: undefined, storedBytes: undefined };
const small = { ...nothing, newBytes: 7, objects: undefined };
/** Names a backup, and took none */
const named = { ...small, backup: '20261120T021700Z-7f3a' };

/** Runs by how long ago they ended, and what they were */
const told: readonly (readonly [agoMs: number, changes: Parameters<typeof addRun>[2]])[] = [
  [1 * minute, { lastedMs: 30_000 }],
  [
    3 * 60 * minute,
    {
      backupType: 'incremental',
      newBytes: 5,
      storedBytes: 310,
      phases: { copy: 1500, snapshot: 20, total: 1600 },
    },
  ],
  [5 * 60 * minute, { ...small, outcome: 'failed', exitCode: 1, failure }],
  [6 * 60 * minute, { ...small, operation: 'capture' }],
  [
    7 * 60 * minute,
    {
      operation: 'capture',
      backupType: 'incremental',
      newBytes: 11,
      storedBytes: 320,
      phases: { copy: 900 },
      lastedMs: 90_000,
    },
  ],
  [8 * 60 * minute, { operation: 'gate', newBytes: 13, rows: 120, storedBytes: 330 }],
  [9 * 60 * minute, { ...named, operation: 'gate' }],
  [2 * day, { ...small, outcome: 'failed', exitCode: 1, failure: { ...failure, next: 'Set it anew.' } }],
  [
    3 * day,
    {
      ...named,
      operation: 'validate',
      outcome: 'no',
      exitCode: 3,
      failure: { class: 'damage', message: 'stored backups are damaged', next: null },
    },
  ],
  [
    4 * day,
    { lastedMs: 10 * minute, storedBytes: 301, newBytes: 80, phases: { copy: 500_000, snapshot: 400 } },
  ],
  [5 * day, { ...named, operation: 'restore', outcome: 'failed', exitCode: 1, failure: other }],
  [8 * day, { ...named, operation: 'drill', actor: 'hubot' }],
  [40 * day, { rows: 90, newBytes: 60 }],
  [70 * day, { ...small, operation: 'capture', newBytes: 1 }],
  [95 * day, { ...small, operation: 'capture' }],
  [100 * day, { ...small, operation: 'capture', outcome: 'failed', exitCode: 1, failure: other }],
];

/** Of the backup that the restore has taken of its target */
const safetySize = { rows: 7, bytes: 70, storedBytes: 40, newBytes: 30 };

const { TESTBED_PG17_URL, TESTBED_PG18_URL } = process.env;
let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.stop());

it('the page has the queries that are tested here, and says that the Data API does not expose them', () => {
  expect([...queries.keys()].sort()).toEqual(Object.keys(expected([], [], [])).sort());
  expect([...page.matchAll(/```sql/g)]).toHaveLength(queries.size);
  expect(page).toContain('The Data API does not expose this schema');
});

describe.each<[major: number, server: () => string | undefined]>([
  [15, () => cluster.superuserUrl()],
  [17, () => TESTBED_PG17_URL],
  [18, () => TESTBED_PG18_URL],
])('docs/records.md on PostgreSQL %i', (major, server) => {
  const isThere = major === 15 || (major === 17 ? TESTBED_PG17_URL : TESTBED_PG18_URL) !== undefined;
  const name = `records_page_${process.pid}`;
  let url: string;
  let repository: Repository;
  let wanted: Readonly<Record<string, readonly (readonly string[])[]>>;

  beforeAll(async () => {
    const admin = server();
    if (admin === undefined) return undefined;
    url = await createDatabase(admin, name);
    repository = await createRepository();
    const runs: Run[] = [];
    for (const [agoMs, changes] of told) runs.push(await addRun(repository, ago(agoMs), changes));
    const drillAt = runs.find(({ operation }) => operation === 'drill')?.endedAt as string;
    const drills = [
      {
        at: new Date(Date.parse(drillAt) - 1000),
        ...(await addDrill(repository, new Date(Date.parse(drillAt) - 1000))),
      },
      await addFailedDrill(),
    ];
    const restoreAt = ago(5 * day);
    const restores = [
      {
        at: restoreAt,
        ...(await addRestore(repository, restoreAt, {
          outcome: 'failed',
          why: 'no room',
          safety: safetySize,
        })),
      },
    ];
    expect(await deliver(repository, url)).toMatchObject({
      kind: 'brought',
      records: told.length + 3,
      left: 0,
    });
    await using session = await open(url);
    await writeSchedules(session, 'o/r', ago(minute), [
      schedule('full', '17 2 * * *', true),
      schedule('drill', '17 5 2 * *', false),
      schedule('capture', '7 * * * *', null),
    ]);
    wanted = expected(runs, restores, drills);

    async function addFailedDrill() {
      const at = ago(20 * day);
      const changes = {
        outcome: 'failed',
        parity: false,
        why: '3 tables differ',
        fault: 'parity',
        recovery: null,
      } as const;
      return { at, ...(await addDrill(repository, at, changes)) };
    }
    return async () => {
      await query(admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await dropReader(admin);
    };
  });

  const ask = (sql: string) =>
    execFileSync(
      join(cluster.binFolder, 'psql'),
      ['--no-psqlrc', '--csv', '--quiet', '-v', 'ON_ERROR_STOP=1', url],
      {
        input: sql,
        encoding: 'utf8',
        env: { ...process.env, PGTZ: 'UTC', PGOPTIONS: '-c intervalstyle=postgres -c datestyle=ISO' },
      },
    );

  it.skipIf(!isThere).each([...queries])('%s', async (heading, sql) => {
    const count = () =>
      query<{ n: number }>(url, 'SELECT count(*)::int AS n FROM supabase_backup_records.backup_jobs');
    const [before] = await count();
    const [, ...rows] = ask(sql).trim().split('\n');
    const [after] = await count();
    expect(rows.map((row) => row.split(','))).toEqual(wanted[heading]);
    expect((before?.n ?? 0) - (after?.n ?? 0)).toBe(heading.startsWith('Removing') ? 1 : 0);
  });

  it.skipIf(!isThere).each([
    ['success_rate', 'The success rate of 30 days'],
    ['storage_by_type', 'Storage by type'],
  ])('the view %s: %s', (view, heading) => {
    const [, ...rows] = ask(`SELECT * FROM supabase_backup_records.${view} ORDER BY 1, 2`).trim().split('\n');
    expect(rows.map((row) => row.split(','))).toEqual(wanted[heading]);
  });

  it.skipIf(!isThere)('the removed row stays in the log, and its measures went with it', async () => {
    const [gone] = await query<{ id: string }>(
      url,
      `SELECT before ->> 'id' AS id FROM supabase_backup_records.change_log WHERE action = 'DELETE' AND table_name = 'backup_jobs'`,
    );
    expect(gone?.id).toMatch(/^\d{8}T/);
    expect(
      await query(url, 'SELECT FROM supabase_backup_records.backup_metrics WHERE job_id = $1', [gone?.id]),
    ).toEqual([]);
  });

  it.skipIf(!isThere)('Who changed a row by hand, and not what the tool corrected', async () => {
    const schema = 'supabase_backup_records';
    const since = new Date();
    const [validation] = await query<{ id: string }>(
      url,
      `UPDATE ${schema}.backup_jobs SET status = 'done' WHERE operation = 'validate' RETURNING id`,
    );
    await using session = await open(url);
    await rebuildRows(repository, session, 'write', presentContext);
    const id = validation?.id as string;
    const measure = `WHERE job_id = '${id}' AND name`;
    for (const sql of [
      `UPDATE ${schema}.backup_metrics SET value = 8 ${measure} = 'new_bytes'`,
      `INSERT INTO ${schema}.backup_metrics VALUES ('${id}', 'luck', 9, now())`,
      `DELETE FROM ${schema}.backup_metrics ${measure} = 'luck'`,
      `INSERT INTO ${schema}.backup_jobs SELECT (jsonb_populate_record(j, '{"id": "mine"}')).* FROM ${schema}.backup_jobs j WHERE id = '${id}'`,
      `DELETE FROM ${schema}.backup_jobs WHERE id = '${id}'`,
      `UPDATE ${schema}.backup_schedules SET enabled = true WHERE kind = 'drill'`,
      `TRUNCATE ${schema}.restore_operations`,
    ])
      await query(url, sql);
    const [, ...rows] = ask(queries.get('Who changed a row by hand') ?? '')
      .trim()
      .split('\n')
      .map((row) => row.split(','));
    const found = rows.filter(([at]) => new Date(at as string) >= since);
    expect(found.map(([, ...row]) => row)).toEqual(
      [
        ['backup_jobs', 'UPDATE', id, '', 'no', 'done'],
        ['backup_metrics', 'UPDATE', id, 'new_bytes', '7', '8'],
        ['backup_metrics', 'INSERT', id, 'luck', '', '9'],
        ['backup_metrics', 'DELETE', id, 'luck', '9', ''],
        ['backup_jobs', 'INSERT', 'mine', '', '', 'no'],
        ['backup_jobs', 'DELETE', id, '', 'no', ''],
        ['backup_schedules', 'UPDATE', 'supabase-backup-drill.yml', '', '', ''],
        ['restore_operations', 'TRUNCATE', '', '', '', ''],
      ]
        .reverse()
        .map((row) => [new URL(url).username, ...row]),
    );
  });
});

const schedule = (kind: string, cron: string, enabled: boolean | null) => {
  const workflow = `supabase-backup-${kind}.yml`;
  const where = { github_repository: 'o/r', database_name: 'production', time_zone: 'Europe/Berlin' };
  return { ...where, kind, cron, workflow, enabled, updated_at: ago(minute).toISOString() };
};

/** As psql writes it in UTC */
const time = (iso: string | Date) =>
  `${new Date(iso).toISOString().replace('T', ' ').replace('.000Z', '')}+00`;
const lasted = (run: Run) => Date.parse(run.endedAt) - Date.parse(run.startedAt);
const interval = (ms: number) => new Date(ms).toISOString().slice(11, 19);
const since = (run: Run) => Date.now() - Date.parse(run.startedAt);
const sumOf = (runs: readonly Run[], field: 'newBytes' | 'storedBytes') =>
  runs.reduce((sum, run) => sum + (run[field] ?? 0), 0);
const unique = (texts: readonly string[]) => [...new Set(texts)].sort();
const by = <T>(list: readonly T[], keyOf: (one: T) => string) => {
  const groups = Map.groupBy(list, keyOf);
  return unique([...groups.keys()]).map((key) => [key, groups.get(key) ?? []] as const);
};

type Timed<Content> = Content & { readonly at: Date };

/** What each query should answer, of records that are the newest first. */
function expected(
  runs: readonly Run[],
  restores: readonly Timed<RecordContent<'restores'>>[],
  drills: readonly Timed<RecordContent<'drills'>>[],
): Readonly<Record<string, readonly (readonly string[])[]>> {
  const month = runs.filter((run) => since(run) < 30 * day);
  const backups = runs.filter(({ backupType }) => backupType !== null);
  const stored = backups.filter(({ outcome }) => outcome !== 'failed');
  const grown = runs.filter(
    ({ operation, backupType, outcome }) =>
      (operation === 'capture' || backupType !== null) && outcome !== 'failed',
  );
  const good = runs.filter(({ outcome }) => outcome === 'done');
  const failed = month.filter(({ outcome }) => outcome === 'failed');
  return {
    'The last 24 hours': runs
      .filter((run) => since(run) < day)
      .map((run) => [
        ...[time(run.startedAt), run.operation, run.backupType ?? '', run.outcome],
        ...[interval(lasted(run)), run.failure?.message ?? ''],
      ]),
    'The success rate of 30 days': by(month, (run) => `${run.operation},${run.outcome}`).map(
      ([key, jobs]) => {
        const all = month.filter(({ operation }) => operation === jobs[0]?.operation).length;
        return [...key.split(','), String(jobs.length), ((100 * jobs.length) / all).toFixed(1)];
      },
    ),
    'Storage by type': [
      ...by(stored, ({ backupType }) => backupType ?? '').map(([type, jobs]) => [
        ...[type, String(jobs.length), String(sumOf(jobs, 'newBytes'))],
        String(Math.round(sumOf(jobs, 'storedBytes') / jobs.length)),
      ]),
      ['safety', '1', String(safetySize.newBytes), String(safetySize.storedBytes)],
    ].sort(([one = ''], [other = '']) => (one < other ? -1 : 1)),
    'The last success of each kind': unique(
      good.flatMap((run) => [run.operation, ...(run.backupType === null ? [] : [run.backupType])]),
    )
      .map((kind) => {
        const [last] = good.filter((run) => run.operation === kind || run.backupType === kind);
        const endedAt = last?.endedAt ?? '';
        return [kind, time(endedAt), Date.now() - Date.parse(endedAt) > 26 * 60 * minute ? 't' : 'f'];
      })
      .sort((one, two) => (two[1] as string).localeCompare(one[1] as string)),
    'Failures, and what to do about them': by(failed, (run) => run.failure?.class ?? '')
      .map(([key, [newest, ...more]]) => {
        return [key, String(more.length + 1), time(newest?.endedAt ?? ''), newest?.failure?.next ?? ''];
      })
      .sort((one, two) => Number(two[1]) - Number(one[1])),
    'The slowest backups, and where their time went': backups
      .toSorted((one, two) => lasted(two) - lasted(one))
      .flatMap((run) =>
        Object.entries(run.phases ?? {})
          .filter(([phase]) => phase !== 'total')
          .sort(([, one], [, two]) => two - one)
          .map(([phase, ms]) => [
            run.backup ?? '',
            interval(lasted(run)),
            `phase_${phase}_seconds`,
            String(ms / 1000),
          ]),
      ),
    'Growth by month': by(grown, ({ endedAt }) => endedAt.slice(0, 7)).map(([key, jobs]) => {
      const rows = jobs.flatMap((run) => run.rows ?? []);
      return [
        `${key}-01 00:00:00`,
        String(sumOf(jobs, 'newBytes')),
        rows.length > 0 ? String(Math.max(...rows)) : '',
      ];
    }),
    'Restores and drills, and who did them': [
      ...restores.map((one) => ({
        ...one,
        row: ['restore', one.backup, 'failed', '', '', '9', one.target, one.actor, 't', one.why ?? ''],
      })),
      ...drills.map((one) => {
        const [job] = runs.filter(
          (run) =>
            run.operation === 'drill' &&
            Date.parse(run.startedAt) <= one.at.getTime() &&
            Date.parse(run.endedAt) >= one.at.getTime(),
        );
        const judged = one.outcome === 'passed' ? ['passed', 't', '7.5'] : ['different', 'f', ''];
        return {
          ...one,
          row: ['drill', one.backup, ...judged, '9', '', job?.actor ?? '', '', one.why ?? ''],
        };
      }),
    ]
      .sort((one, two) => two.at.getTime() - one.at.getTime())
      .map(({ at, row }) => [time(at), ...row]),
    'The recovery time that drills have measured': [
      (() => {
        const times = drills.flatMap(({ recovery }) => (recovery === null ? [] : [recovery / 1000]));
        const passed = drills.filter(({ outcome }) => outcome === 'passed').length;
        return [
          drills.length,
          passed,
          times.length > 0 ? median(times) : '',
          times.length > 0 ? Math.max(...times) : '',
        ].map(String);
      })(),
    ],
    'Schedules that are not known to run': [
      ['production', 'capture', '7 * * * *', 'Europe/Berlin', 'supabase-backup-capture.yml', ''],
      ['production', 'drill', '17 5 2 * *', 'Europe/Berlin', 'supabase-backup-drill.yml', 'f'],
    ],
    'Who changed a row by hand': [],
    'Removing old rows, by age, operation and status': [],
  };
}
