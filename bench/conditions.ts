import { execFile } from 'node:child_process';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { promisify } from 'node:util';
import { formatBytes } from '../src/report/quantity.ts';
import type { BenchServer } from './server.ts';
import { root, type Versions } from './workshop.ts';

/** What the figures depend on, for people: by what it is, in the order to print. Names no machine and no path. */
export type Conditions = Readonly<Record<string, string>>;

export async function readConditions(
  server: BenchServer,
  versions: Versions,
  { scale, runs }: { scale: number; runs: number },
): Promise<Conditions> {
  const { version, settings } = await server.describe();
  const commit = await readCommit();
  return {
    date: new Date().toISOString().slice(0, 10),
    scale: scale === 1 ? '1' : `${scale} (targets are meant for 1)`,
    runs: `${runs} of each, by turns`,
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${formatBytes(totalmem())} memory`,
    system: `${type()} ${release()}`,
    'load at the start': loadavg()[0]?.toFixed(2) ?? '',
    PostgreSQL: version,
    settings: Object.entries(settings)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
    connection: server.connection,
    ours: `${versions['supabase-backup']}${commit === undefined ? '' : ` (${commit})`}, Node ${process.versions.node}`,
    pg_dump: versions.pg_dump ?? 'not installed',
    zstd: versions.zstd ?? 'not installed',
    restic: versions.restic ?? 'not installed',
    rclone: versions.rclone ?? 'not installed',
  };
}

async function readCommit(): Promise<string | undefined> {
  try {
    return (
      await promisify(execFile)('git', ['describe', '--always', '--dirty'], { cwd: root })
    ).stdout.trim();
  } catch {
    return undefined;
  }
}
