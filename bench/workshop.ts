import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Manifest } from '../src/format/manifest.ts';
import type { Contender } from './contender.ts';
import { type Command, measure, pipeline } from './measure.ts';
import type { BenchServer } from './server.ts';

export const root = join(import.meta.dirname, '..');
const bundle = join(root, 'dist/cli.cjs');

/** What the groups build their contenders from. */
export interface Workshop {
  readonly server: BenchServer;
  /** A folder for what the contenders write, all on the same disk. */
  readonly scratch: string;
  readonly versions: Versions;
}

/** As the programs tell them; undefined when one is not installed. */
export type Versions = Readonly<
  Record<'supabase-backup' | 'pg_dump' | 'zstd' | 'restic' | 'rclone', string | undefined>
>;

export async function readVersions(server: BenchServer): Promise<Versions> {
  return {
    'supabase-backup': await readVersion(process.execPath, [bundle, '--version']),
    pg_dump: await readVersion(join(server.binFolder, 'pg_dump'), ['--version']),
    zstd: await readVersion('zstd', ['--version']),
    restic: await readVersion('restic', ['version']),
    rclone: await readVersion('rclone', ['version']),
  };
}

async function readVersion(file: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(file, args);
    return /\d+\.\d[\w.-]*/.exec(stdout)?.[0];
  } catch {
    return undefined;
  }
}

/** Why the bundle should not be measured; undefined when it may be. */
export function doubtBundle(): string | undefined {
  if (!existsSync(bundle)) return 'dist/cli.cjs is missing';
  const builtAt = statSync(bundle).mtimeMs;
  const newer = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).find(
    (file) => file.endsWith('.ts') && statSync(join(root, 'src', file)).mtimeMs > builtAt,
  );
  return newer === undefined ? undefined : `dist/cli.cjs is older than src/${newer}`;
}

/** A command of the bundle, as a user would run it: nothing set but what it is given here. */
export function ours(operation: string, args: readonly string[], env: NodeJS.ProcessEnv): Command {
  return { file: process.execPath, args: [bundle, operation, ...args], env };
}

/** Where a database is found. */
interface Reach {
  readonly server: Pick<BenchServer, 'url'>;
}

export function backupCommand(
  { server }: Reach,
  database: string,
  repository: string,
  args: readonly string[] = [],
): Command {
  return backupTo({ server }, database, ['--storage', repository, ...args]);
}

/** @param args with where to back up to */
export function backupTo({ server }: Reach, database: string, args: readonly string[]): Command {
  return ours('backup', args, { SUPABASE_BACKUP_DATABASE_URL: server.url(database) });
}

/** A backup of ours into a repository that each run makes anew. */
export function backupContender(
  workshop: Workshop,
  database: string,
  { id, name, args = [] }: { id: string; name: string; args?: readonly string[] },
): Contender {
  const repository = join(workshop.scratch, `${database}-${id}`);
  return {
    id,
    name,
    command: backupCommand(workshop, database, repository, args),
    inspect: async () => ({
      storedBytes: sizeOf(repository),
      phases: describePhases(readAdded(repository, [])),
    }),
    clean: async () => remove(repository),
  };
}

/** A dump into one file or folder, which goes after each run. */
export function dumpContender(
  path: string,
  dump: { id: string; name: string; command: Command; missing?: string | undefined },
): Contender {
  return {
    ...dump,
    inspect: async () => ({ storedBytes: sizeOf(path) }),
    clean: async () => remove(path),
  };
}

/** A dump into a restic repository, which `init` makes first. */
export function resticCommands(
  { server, scratch }: Workshop,
  database: string,
  path: string,
): { init: Command; backup: Command } {
  const env = {
    RESTIC_REPOSITORY: path,
    RESTIC_PASSWORD: 'benchmark',
    RESTIC_CACHE_DIR: join(scratch, 'restic-cache'),
  };
  return {
    init: { file: 'restic', args: ['init', '--quiet'], env },
    backup: pipeline(
      '"$1" | restic backup --quiet --stdin --stdin-filename dump.sql',
      [join(server.binFolder, 'pg_dump')],
      { ...server.env(database), ...env },
    ),
  };
}

/** What the repository of a database is bound to. */
export async function readSource(
  server: BenchServer,
  database: string,
): Promise<{ systemIdentifier: string; database: string }> {
  const [row] = await server.run(database, ['SELECT system_identifier::text AS id FROM pg_control_system()']);
  return { systemIdentifier: row?.id, database };
}

/** Runs something that is needed first, off the clock. */
export async function arrange(command: Command): Promise<void> {
  await measure(command);
}

/** Bytes of a file, or of all files in a folder. */
export function sizeOf(path: string): number {
  const status = statSync(path);
  if (!status.isDirectory()) return status.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

export function remove(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

/** The manifests of a repository of ours, by the names of their files. */
export function listManifests(repository: string): string[] {
  return readdirSync(join(repository, 'backups'));
}

/** The manifest that was not there `before`. Its seal is not checked. */
export function readAdded(repository: string, before: readonly string[]): Manifest {
  const [added, ...more] = listManifests(repository).filter((name) => !before.includes(name));
  if (added === undefined || more.length > 0) throw new Error(`not one backup was added to ${repository}`);
  return JSON.parse(readFileSync(join(repository, 'backups', added), 'utf8'));
}

export function describePhases({ durations }: Manifest): Record<string, string> {
  return Object.fromEntries(
    Object.entries(durations).map(([phase, milliseconds]) => [
      phase,
      `${(milliseconds / 1000).toFixed(2)} s`,
    ]),
  );
}
