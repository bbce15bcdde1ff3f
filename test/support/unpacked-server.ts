import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { findServers } from './cluster.ts';
import { cacheOfRoot } from './packaged-server.ts';

/**
 * Brings a PostgreSQL server to a Debian or Ubuntu that has none, and puts its programs into the PATH of this process. npm has servers, but
 * none with pg_dump and pg_restore. So apt downloads and verifies the distribution's packages, as for an installation, and they are unpacked
 * into a cache: that needs no rights, starts no service, and is undone by removing the folder. On other systems, and where apt fails, nothing
 * happens but a sentence: whoever starts a server is told what to install.
 *
 * @param say gets a sentence about what is done
 */
export async function provideServer(say: (sentence: string) => void): Promise<void> {
  if ((await findServers()).length > 0) return;
  if (process.platform !== 'linux' || !succeeds('apt-get', ['--version'])) return;
  const folder = cacheFolder();
  if (!runs(folder)) {
    say(`No PostgreSQL server is installed: unpacking the one of this distribution into ${folder}`);
    try {
      downloadInto(folder);
    } catch (error) {
      say((error as Error).message);
      return;
    }
  }
  process.env.PATH = [join(folder, 'programs'), process.env.PATH].join(delimiter);
}

const isRoot = process.getuid?.() === 0;

/** Libraries of one release do not run on another. The server of root runs as somebody else, who may not look into /root. */
function cacheFolder(): string {
  const release = readFileSync('/etc/os-release', 'utf8');
  const read = (name: string) => new RegExp(`^${name}="?([\\w.-]+)"?$`, 'm').exec(release)?.[1] ?? 'none';
  const own = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const cache = isRoot ? cacheOfRoot : join(own, 'supabase-backup');
  return join(cache, `postgresql-${read('ID')}-${read('VERSION_ID')}-${process.arch}`);
}

/** A library that was there when the packages were unpacked may be gone since. */
const runs = (folder: string) => succeeds(join(folder, 'programs', 'postgres'), ['--version']);

/** @throws Error when apt cannot download the packages, or what was unpacked does not run; the folder is then not there */
function downloadInto(folder: string): void {
  mkdirSync(dirname(folder), { recursive: true });
  if (isRoot) chmodSync(dirname(folder), 0o755);
  const work = mkdtempSync(`${folder}-`);
  try {
    // As root, apt downloads as a user of its own.
    chmodSync(work, 0o755);
    const lists = join(work, 'lists');
    const archives = join(work, 'archives');
    for (const place of [lists, archives]) mkdirSync(join(place, 'partial'), { recursive: true });
    // Lists and packages of our own, which need no rights. Sources, keys and what is installed are the system's.
    const ours = [
      ...['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${work}`],
      ...['-o', `Dir::Cache::archives=${archives}`, '-o', 'Acquire::Languages=none'],
    ];
    // One source of several that does not answer is not a reason to give up: the download shows whether there is one.
    aptGet([...ours, 'update']);
    // Without the lock, which is dpkg's, and dpkg does not run.
    const download = (...words: string[]) =>
      aptGet([...ours, '-o', 'Debug::NoLocking=1', 'install', '--download-only', ...withoutMore, ...words]);
    const packages = (name: string) => globSync(join(archives, `${name}.deb`));
    if (!download('postgresql')) throw new Error('apt-get could not download it');
    // A client that is installed would be left out, and may be older than the server.
    for (const file of packages('postgresql-[0-9]*'))
      download('--reinstall', basename(file).replace(/^postgresql-(\d+)_.*/, 'postgresql-client-$1'));
    // The server looks for time zones there, wherever it is itself. Images of Ubuntu lack them.
    if (
      !existsSync('/usr/share/zoneinfo') &&
      !(isRoot && aptGet([...ours, 'install', ...withoutMore, 'tzdata']))
    )
      throw new Error('The server needs /usr/share/zoneinfo: have the package tzdata installed');
    const unpacked = join(work, 'unpacked');
    unpackServer(packages('*'), unpacked, folder);
    // Another process was faster, and may run its servers from there.
    if (runs(folder)) return;
    rmSync(folder, { recursive: true, force: true });
    renameSync(unpacked, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  if (!runs(folder)) {
    rmSync(folder, { recursive: true });
    throw new Error(`What was unpacked does not run on this machine`);
  }
}

/**
 * Unpacks packages without installing them. PostgreSQL finds its files beside its programs, wherever they are, but not its libraries: so a
 * script in `programs` stands in front of each program and names their folders, whatever the environment.
 *
 * @param packages the server, its clients, and the libraries that the system lacks
 * @param final where the folder will be when it is used
 */
export function unpackServer(packages: readonly string[], folder: string, final: string): void {
  for (const file of packages) {
    // A C library beside the system's loader runs with the version of that loader alone.
    if (basename(file).startsWith('libc6_')) continue;
    const { status, stderr } = spawnSync('dpkg-deb', ['--extract', file, folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`dpkg-deb could not unpack ${basename(file)}: ${stderr}`);
  }
  const libraries = globSync('{usr/,}lib/*-linux-gnu*', { cwd: folder }).map((place) => join(final, place));
  const programs = join(folder, 'programs');
  mkdirSync(programs);
  for (const program of globSync('usr/lib/postgresql/*/bin/*', { cwd: folder })) {
    // It says where the programs are, without the scripts.
    if (basename(program) === 'pg_config') continue;
    const script = join(programs, basename(program));
    writeFileSync(
      script,
      [
        '#!/bin/sh',
        `export LD_LIBRARY_PATH=${quote(libraries.join(':'))}"\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`,
        `exec ${quote(join(final, program))} "$@"\n`,
      ].join('\n'),
    );
    chmodSync(script, 0o755);
  }
  // Root's server runs as somebody else, whatever root's umask.
  chmodSync(programs, 0o755);
}

const quote = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

const withoutMore = ['--yes', '--no-install-recommends'];

const succeeds = (program: string, words: readonly string[]): boolean =>
  spawnSync(program, words, { stdio: 'ignore' }).status === 0;

/** Shows only errors and warnings of apt's. */
function aptGet(words: readonly string[]): boolean {
  const { status } = spawnSync('apt-get', ['-qq', ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return status === 0;
}
