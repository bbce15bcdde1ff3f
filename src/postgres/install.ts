import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { isFeatureAvailable, restoreCache, saveCache } from '@actions/cache';
import { exec, getExecOutput } from '@actions/exec';
import { messageOf } from '../errors.ts';
import type { World } from '../world.ts';

/** What a test puts in the place of the machine's own. */
export interface InstallOptions {
  /** Where the packages put the programs of each major */
  readonly programs?: string;
  /** milliseconds that the cache may take for an answer */
  readonly patience?: number;
}

/** The client of the cache has limits for each request only, and tries again for a quarter of an hour when nobody answers. */
const defaultPatience = 60_000;

/**
 * Installs `postgresql-client-<major>` on a GitHub runner with apt; elsewhere it does nothing, because nobody asked for a
 * change of their machine. What the distribution does not have comes from the PostgreSQL project's repository, set up by the
 * script that postgresql-common brings. The packages are kept in the Actions cache: they are programs, never backups.
 *
 * @returns the folder of the programs, or undefined when they were not installed; the reason has been logged
 */
export async function installClient(
  major: number,
  world: World,
  options: InstallOptions = {},
): Promise<string | undefined> {
  if (world.env.GITHUB_ACTIONS !== 'true' || process.platform !== 'linux') return undefined;
  const { programs = '/usr/lib/postgresql', patience = defaultPatience } = options;
  return world.log.group(`Installing the PostgreSQL ${major} client programs`, async () => {
    try {
      await installPackages(`postgresql-client-${major}`, patience, world);
      return path.join(programs, String(major), 'bin');
    } catch (error) {
      world.log.warn(`postgresql-client-${major} could not be installed: ${messageOf(error)}`);
      return undefined;
    }
  });
}

async function installPackages(packageName: string, patience: number, world: World): Promise<void> {
  const folder = path.join(world.env.RUNNER_TEMP ?? world.temporaryFolder, packageName);
  const cache = new PackageCache(folder, nameEntry(packageName, world.now()), patience, world);
  mkdirSync(folder, { recursive: true });
  if (await cache.restore()) {
    try {
      await installFiles(folder, world);
      return;
    } catch (error) {
      // The image of the runner has moved on: it holds newer libraries, or lacks one.
      world.log.warn(`The cached packages do not install, so they are downloaded: ${messageOf(error)}`);
    }
  }
  // A restore that was given up may still write into the folder.
  const fresh = cache.isUsable ? folder : `${folder}-fresh`;
  mkdirSync(fresh, { recursive: true });
  for (const file of listPackages(fresh)) rmSync(file);
  await download(packageName, fresh, world);
  await installFiles(fresh, world);
  await cache.save();
}

/**
 * One entry of the Actions cache, which never fails: without it the packages are downloaded. Only the packages themselves are in it, as apt
 * leaves a lock and a folder beside them that nobody but root can read.
 */
class PackageCache {
  isUsable = isFeatureAvailable();
  readonly #folder: string;
  readonly #key: string;
  readonly #patience: number;
  readonly #world: World;

  constructor(folder: string, key: string, patience: number, world: World) {
    this.#folder = folder;
    this.#key = key;
    this.#patience = patience;
    this.#world = world;
  }

  async restore(): Promise<boolean> {
    const found = await this.#attempt(() => restoreCache([path.join(this.#folder, '*.deb')], this.#key));
    return found !== undefined && listPackages(this.#folder).length > 0;
  }

  async save(): Promise<void> {
    if (listPackages(this.#folder).length === 0) return;
    await this.#attempt(() => saveCache([path.join(this.#folder, '*.deb')], this.#key));
  }

  async #attempt<T>(ask: () => Promise<T>): Promise<T | undefined> {
    if (!this.isUsable) return undefined;
    const limit = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => limit.reject(new Error(`no answer within ${this.#patience / 1000} s`)),
      this.#patience,
    );
    try {
      return await Promise.race([ask(), limit.promise]);
    } catch (error) {
      this.isUsable = false;
      this.#world.log.warn(`The Actions cache is not used: ${messageOf(error)}`);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Packages fit one release of one distribution; with each month comes a look for newer ones. */
function nameEntry(packageName: string, now: Date): string {
  const release = readFileSync('/etc/os-release', 'utf8');
  const read = (name: string) => new RegExp(`^${name}="?([\\w.-]+)"?$`, 'm').exec(release)?.[1] ?? 'none';
  const system = `${read('ID')}-${read('VERSION_ID')}-${process.arch}`;
  return `supabase-backup-${packageName}-${system}-${now.toISOString().slice(0, 7)}`;
}

const listPackages = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => path.join(folder, name));

const aptInstall = ['apt-get', 'install', '-y', '-qq', '--no-install-recommends'];

async function download(packageName: string, folder: string, world: World): Promise<void> {
  await asRoot(['apt-get', 'update', '-qq'], world);
  const env = environmentOfApt(world);
  const look = { ignoreReturnCode: true, silent: true, env };
  const known = await getExecOutput('apt-cache', ['show', packageName], look);
  if (known.exitCode !== 0) {
    await asRoot([...aptInstall, 'postgresql-common', 'ca-certificates'], world);
    await asRoot(['/usr/share/postgresql-common/pgdg/apt.postgresql.org.sh', '-y'], world);
  }
  const into = ['--download-only', '--reinstall', '-o', `Dir::Cache::archives=${folder}`];
  await asRoot([...aptInstall, ...into, packageName], world);
}

async function installFiles(folder: string, world: World): Promise<void> {
  const packages = listPackages(folder);
  if (packages.length === 0) throw new Error('apt-get has downloaded no package');
  await asRoot([...aptInstall, ...packages], world);
}

/** What apt prints goes to stderr: stdout belongs to the results of a command line. */
async function asRoot(command: readonly string[], world: World): Promise<void> {
  world.signal.throwIfAborted();
  const [file = '', ...args] = process.getuid?.() === 0 ? command : ['sudo', '-n', ...command];
  await exec(file, args, { env: environmentOfApt(world), outStream: process.stderr });
}

/** The scripts of packages run as root, and none of them needs what this process knows of databases and storages. */
function environmentOfApt({ env }: World): Record<string, string> {
  const kept = Object.entries(env).filter(([name]) => /^(PATH|HOME|LANG|https?_proxy|no_proxy)$/i.test(name));
  return { ...(Object.fromEntries(kept) as Record<string, string>), DEBIAN_FRONTEND: 'noninteractive' };
}
