import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type * as ActionsCache from '@actions/cache';
import type { Context } from '../../runtime/context.ts';
import { messageOf } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { apkInstall } from './apk.ts';
import { aptInstall, aptSources, askApt, tolerate, updateLists, withProjectSource } from './apt.ts';
import { isOfEveryTool } from './environment.ts';
import { type ClientSource, mayInstall } from './places.ts';
import { assertRights, findProgram } from './root-command.ts';

/** Replaces the machine's own paths in tests. */
export interface InstallOptions {
  /** The folder of apt's source lists. */
  readonly sources?: string;
  /** The folder in which packages install the programs of each major version. */
  readonly programs?: string;
  /** The root folder `/` of Alpine Linux. */
  readonly root?: string;
  /** How long the cache may take to answer */
  readonly timeoutMs?: number;
}

/**
 * milliseconds; the cache client limits single requests only, and retries an unreachable service for a
 * quarter of an hour
 */
const defaultTimeoutMs = 60_000;

/** The oldest acceptable release; minor 0 means any. */
export interface WantedRelease {
  readonly major: number;
  readonly minor: number;
}

/**
 * Installs `postgresql-client-<major>` with apt, or with apk in images of Alpine Linux. With `auto` this
 * happens only on a GitHub-hosted runner, which is discarded after the job; any other machine, self-hosted
 * runners included, needs `always`. If the distribution has no such package, or only an older one, it comes
 * from the PostgreSQL project's repository, which a script of postgresql-common adds temporarily. The Actions
 * cache keeps the packages: programs, never backups.
 *
 * @returns the folder of the programs, or undefined when they were not installed; the reason has been logged
 */
export async function installClient(
  wanted: WantedRelease,
  policy: ClientSource['installClient'],
  context: Context,
  options: InstallOptions = {},
): Promise<string | undefined> {
  if (!mayInstall(policy, context.env)) return undefined;
  if (process.platform !== 'linux') {
    context.log.warn(
      say`${nameInput('install-client')}: programs cannot be installed on this system (${process.platform})`,
    );
    return undefined;
  }
  const { major } = wanted;
  return context.log.group(`Installing the PostgreSQL ${major} client programs`, async () => {
    try {
      return await installWith(findManager(context), wanted, options, context);
    } catch (error) {
      context.signal.throwIfAborted();
      context.log.warn(
        `The PostgreSQL ${major} client programs could not be installed: ${messageOf(error).trim()}`,
      );
      return undefined;
    }
  });
}

type Manager = 'apt-get' | 'apk';

/** @throws Error when there is neither apt-get nor apk */
function findManager({ env }: Context): Manager {
  const manager = (['apt-get', 'apk'] as const).find((name) => findProgram(name, env) !== undefined);
  if (manager !== undefined) return manager;
  throw new Error(
    'neither apt-get nor apk is here, so they have to be in the image or on the machine already',
  );
}

async function installWith(
  manager: Manager,
  wanted: WantedRelease,
  {
    programs = '/usr/lib/postgresql',
    timeoutMs = defaultTimeoutMs,
    sources = aptSources,
    root,
  }: InstallOptions,
  context: Context,
): Promise<string> {
  await assertRights(context);
  switch (manager) {
    case 'apt-get':
      await installPackages(wanted, timeoutMs, sources, context);
      return path.join(programs, String(wanted.major), 'bin');
    case 'apk':
      return apkInstall(wanted.major, context, root);
  }
}

/** A self-hosted runner sets GITHUB_ACTIONS, too. */
async function installPackages(
  wanted: WantedRelease,
  timeoutMs: number,
  sources: string,
  context: Context,
): Promise<void> {
  const packageName = `postgresql-client-${wanted.major}`;
  const folder = path.join(context.env.RUNNER_TEMP ?? context.temporaryFolder, packageName);
  const key = nameEntry(packageName, wanted, context.now());
  const cache = new PackageCache(await import('@actions/cache'), { folder, key, timeoutMs }, context);
  mkdirSync(folder, { recursive: true });
  if ((await cache.restore()) && holdsRelease(folder, wanted)) {
    try {
      await installFiles(folder, context);
      return;
    } catch (error) {
      // The runner's image has changed since: it holds newer libraries, or lacks one.
      context.log.warn(`The cached packages do not install, so they are downloaded: ${messageOf(error)}`);
    }
  }
  // A cache restore that timed out may still write into the folder.
  const fresh = cache.isUsable ? folder : `${folder}-fresh`;
  mkdirSync(fresh, { recursive: true });
  for (const file of listPackages(fresh)) rmSync(file);
  await download(packageName, wanted, fresh, sources, context);
  await installFiles(fresh, context);
  if (holdsRelease(fresh, wanted)) await cache.save();
}

interface CacheEntry {
  /** Of the packages */
  readonly folder: string;
  readonly key: string;
  readonly timeoutMs: number;
}

/**
 * One entry of the Actions cache. It never fails: without it the packages are downloaded. It holds only the
 * packages, because apt leaves a lock and a folder beside them that only root can read.
 */
class PackageCache {
  isUsable: boolean;
  readonly #client: typeof ActionsCache;
  readonly #folder: string;
  readonly #key: string;
  readonly #timeoutMs: number;
  readonly #context: Context;

  constructor(client: typeof ActionsCache, { folder, key, timeoutMs }: CacheEntry, context: Context) {
    this.isUsable = client.isFeatureAvailable();
    this.#client = client;
    this.#folder = folder;
    this.#key = key;
    this.#timeoutMs = timeoutMs;
    this.#context = context;
  }

  async restore(): Promise<boolean> {
    const found = await this.#attempt(() =>
      this.#client.restoreCache([path.join(this.#folder, '*.deb')], this.#key),
    );
    return found !== undefined && listPackages(this.#folder).length > 0;
  }

  async save(): Promise<void> {
    if (listPackages(this.#folder).length === 0) return;
    await this.#attempt(() => this.#client.saveCache([path.join(this.#folder, '*.deb')], this.#key));
  }

  async #attempt<T>(ask: () => Promise<T>): Promise<T | undefined> {
    if (!this.isUsable) return undefined;
    const limit = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => limit.reject(new Error(`no answer within ${this.#timeoutMs / 1000} s`)),
      this.#timeoutMs,
    );
    try {
      return await Promise.race([this.#context.limitInherited(isOfEveryTool, ask), limit.promise]);
    } catch (error) {
      this.isUsable = false;
      this.#context.log.warn(`The Actions cache is not used: ${messageOf(error)}`);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * The cache key. Packages fit one release of one distribution. The key contains the month, so that newer
 * packages are looked for every month, and the minor version of a backed up server, because packages stored
 * before its release are too old.
 */
function nameEntry(packageName: string, { minor }: WantedRelease, now: Date): string {
  const release = readFileSync('/etc/os-release', 'utf8');
  const read = (name: string) => new RegExp(`^${name}="?([\\w.-]+)"?$`, 'm').exec(release)?.[1] ?? 'none';
  const system = `${read('ID')}-${read('VERSION_ID')}-${process.arch}`;
  const least = minor === 0 ? '' : `-for-${minor}`;
  return `supabase-backup-${packageName}-${system}-${now.toISOString().slice(0, 7)}${least}`;
}

/**
 * Whether the folder holds the client package in a version that is new enough; file names hold the version.
 */
function holdsRelease(folder: string, { major, minor }: WantedRelease): boolean {
  const named = new RegExp(`/postgresql-client-${major}_(?:\\d+%3a)?${major}(?:\\.(\\d+))?[^/]*$`);
  return listPackages(folder).some((file) => isRelease(named.exec(file), minor));
}

/** @param found a match whose first group is the minor version; a development version has none */
const isRelease = (found: RegExpExecArray | null, minor: number): boolean =>
  found !== null && Number(found[1] ?? 0) >= minor;

const listPackages = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => path.join(folder, name));

async function download(
  packageName: string,
  wanted: WantedRelease,
  folder: string,
  sources: string,
  context: Context,
): Promise<void> {
  // A broken third-party list says nothing about the wanted package.
  await tolerate(() => updateLists([], context), context);
  const into = ['--download-only', '--reinstall', '-o', `Dir::Cache::archives=${folder}`];
  const fetch = () => aptInstall([...into, packageName], context);
  if (await isOffered(packageName, wanted, context)) return fetch();
  await withProjectSource(sources, fetch, context);
}

/** Whether apt would install the package in a version that is new enough. */
async function isOffered(
  packageName: string,
  { major, minor }: WantedRelease,
  context: Context,
): Promise<boolean> {
  const known = await askApt(['show', '--no-all-versions', packageName], context);
  return isRelease(new RegExp(`^Version: (?:\\d+:)?${major}(?:\\.(\\d+))?`, 'm').exec(known), minor);
}

async function installFiles(folder: string, context: Context): Promise<void> {
  const packages = listPackages(folder);
  if (packages.length === 0) throw new Error('apt-get has downloaded no package');
  await aptInstall(packages, context);
}
