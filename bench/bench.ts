import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { renderMarkdown } from '../src/report/markdown.ts';
import { renderText } from '../src/report/text.ts';
import { compare, type GroupResult } from './compare.ts';
import { type Conditions, readConditions } from './conditions.ts';
import type { Group } from './contender.ts';
import {
  countTables,
  provideAccounts,
  provideChangingRows,
  provideRows,
  provideSingle,
  provideTables,
  provideTenants,
} from './data.ts';
import { createBackupGroup } from './groups/backup.ts';
import { createChangesGroup } from './groups/changes.ts';
import { createDashboardGroup } from './groups/dashboard.ts';
import { createDistantGroup } from './groups/distant.ts';
import { createIncrementalGroup } from './groups/incremental.ts';
import { createMirrorGroup } from './groups/mirror.ts';
import { createRequestsGroup } from './groups/requests.ts';
import { createRestoreGroup } from './groups/restore.ts';
import { createShelfGroup } from './groups/shelf.ts';
import { createTinyGroup } from './groups/tiny.ts';
import { endRunning } from './measure.ts';
import { createReport } from './report.ts';
import { BenchServer } from './server.ts';
import { doubtBundle, readVersions, remove, root, type Workshop } from './workshop.ts';

/** A group with the data that it needs. `scale` is a part of the full size. */
interface Benchmark {
  provide(server: BenchServer, scale: number): Promise<'built' | 'found'>;
  create(workshop: Workshop, scale: number): Promise<Group> | Group;
}

const benchmarks = {
  backup: { provide: provideRows, create: createBackupGroup },
  incremental: { provide: provideChangingRows, create: createIncrementalGroup },
  restore: { provide: provideRows, create: createRestoreGroup },
  tiny: {
    provide: provideTables,
    create: (workshop, scale) => createTinyGroup(workshop, countTables(scale)),
  },
  changes: { provide: provideAccounts, create: createChangesGroup },
  shelf: { provide: provideSingle, create: createShelfGroup },
  requests: {
    provide: async (server, scale) => {
      await provideSingle(server);
      return provideTenants(server, scale);
    },
    create: createRequestsGroup,
  },
  distant: { provide: provideSingle, create: createDistantGroup },
  dashboard: { provide: async () => 'found' as const, create: createDashboardGroup },
  mirror: { provide: async () => 'found' as const, create: createMirrorGroup },
} satisfies Record<string, Benchmark>;
type BenchmarkName = keyof typeof benchmarks;
const names = Object.keys(benchmarks) as BenchmarkName[];

const help = `Usage: npm run bench -- [options]

Compares supabase-backup with pg_dump, pg_restore, restic and rclone, side by side, on a throwaway PostgreSQL server.

  --only <name>      ${names.join(', ')}; several times for several (default: all)
  --scale <number>   size of the data; 1 is about 1.4 GB, 2,000 tables, 500 backups, for mirror
                     100,000 objects (default: 1)
  --runs <number>    runs of each contender (default: 3)
  --settle <seconds> pause before each run (default: 2)
  --markdown         print Markdown
  --check            exit with 1 when a target is missed or not measured
  --help             print this

BENCH_DATABASE_URL names a server to use instead; its user must be a superuser. Databases named supabase_backup_bench_* are made
there, and stay for the next run. BENCH_S3_ENDPOINT names the S3 server of the group requests; by default it starts moto_server.

The result goes to stdout, progress to stderr, and every figure to .bench/latest.json. See docs/benchmarks.md.
`;

interface Options {
  readonly only: readonly BenchmarkName[];
  readonly scale: number;
  readonly runs: number;
  readonly settleSeconds: number;
  readonly markdown: boolean;
  readonly check: boolean;
}

const options = readOptions();
process.exitCode = await main(options).catch((error: Error) => {
  tell(`error: ${error.message}`);
  return 2;
});

async function main({ only, scale, runs, settleSeconds, markdown, check }: Options): Promise<number> {
  const doubt = doubtBundle();
  if (doubt) tell(`warning: ${doubt}; \`npm run build\` first`);
  const scratch = createScratch();

  tell('Starting the server');
  await using server = await BenchServer.open(process.env.BENCH_DATABASE_URL);
  const versions = await readVersions(server);
  const conditions = await readConditions(server, versions, { scale, runs });

  const results: GroupResult[] = [];
  for (const name of only) {
    const { provide, create }: Benchmark = benchmarks[name];
    tell(`${name}: data at scale ${scale}`);
    tell(`${name}: data ${await provide(server, scale)}`);
    const group = await create({ server, scratch, versions }, scale);
    const settle = () => server.settle(settleSeconds);
    results.push(await compare(group, runs, { settle, onProgress: tell }));
  }

  const report = createReport(conditions, results);
  process.stdout.write(markdown ? renderMarkdown(report) : renderText(report));
  save(conditions, { scale, runs }, results);
  const met = results.every(({ verdicts }) => verdicts.every((verdict) => verdict.met));
  return check && !met ? 1 : 0;
}

/** Goes when the process goes, and with it whatever still writes there. A throwaway server goes by itself. */
function createScratch(): string {
  const parent = join(root, '.bench');
  mkdirSync(parent, { recursive: true });
  const scratch = mkdtempSync(join(parent, 'scratch-'));
  process.on('exit', () => {
    endRunning();
    remove(scratch);
  });
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  return scratch;
}

function save(
  conditions: Conditions,
  options: { scale: number; runs: number },
  results: readonly GroupResult[],
): void {
  const groups = results.map(({ group, rows, verdicts }) => ({ id: group.id, rows, verdicts }));
  const json = JSON.stringify({ format: 1, conditions, ...options, groups }, undefined, 2);
  writeFileSync(join(root, '.bench/latest.json'), `${json}\n`);
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: names },
        scale: { type: 'string', default: '1' },
        runs: { type: 'string', default: '3' },
        settle: { type: 'string', default: '2' },
        markdown: { type: 'boolean', default: false },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      process.exit();
    }
    return {
      only: values.only.map(parseName),
      scale: parsePositive('scale', values.scale),
      runs: Math.ceil(parsePositive('runs', values.runs)),
      settleSeconds: parseSeconds('settle', values.settle),
      markdown: values.markdown,
      check: values.check,
    };
  } catch (error) {
    tell((error as Error).message);
    tell('→ npm run bench -- --help');
    process.exit(2);
  }
}

function parseName(text: string): BenchmarkName {
  const name = names.find((name) => name === text);
  if (name === undefined) throw new Error(`--only: there is no ${text}; there are ${names.join(', ')}`);
  return name;
}

function parseSeconds(name: string, text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new Error(`--${name}: not a number of seconds: ${text}`);
  return value;
}

function parsePositive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name}: not a number above 0: ${text}`);
  return value;
}
