import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { toolEnvironment } from './environment.ts';
import type { ClientSource } from './places.ts';
import { adviseInstall, adviseUpgrade, candidateFolders } from './places.ts';
import { runTool } from './process.ts';

/** pg_dump and pg_restore of one version. */
export interface ClientTools {
  readonly major: number;
  readonly version: string;
  readonly pgDump: string;
  readonly pgRestore: string;
}

/**
 * A release of PostgreSQL. Minor 0 also stands for a development version, and for any minor where one is
 * wanted.
 */
interface Release {
  readonly major: number;
  readonly minor: number;
}

/**
 * Finds the client tools for a restore. The wanted major version is preferred and a newer one accepted; an
 * older pg_restore refuses an archive of a newer pg_dump.
 *
 * @param major the major version of the archive or of the target's server, whichever is newer
 * @throws ConfigurationError when there is none and none can be installed
 */
export async function findClient(
  major: number,
  context: Context,
  source: ClientSource,
): Promise<ClientTools> {
  return chooseClient({ major, minor: 0 }, context, source);
}

/**
 * Finds the client tools for a backup. They must be as new as the server, to the minor version: only programs
 * of the same time know which internal entries of the catalog to leave out. An older pg_dump writes these
 * into the archive and still exits with 0.
 *
 * @param serverVersion server_version_num
 * @throws ConfigurationError when there is none and none can be installed
 */
export async function findDumpClient(
  serverVersion: number,
  context: Context,
  source: ClientSource,
): Promise<ClientTools> {
  const release = { major: Math.floor(serverVersion / 10000), minor: serverVersion % 10000 };
  return chooseClient(release, context, source);
}

async function chooseClient(wanted: Release, context: Context, source: ClientSource): Promise<ClientTools> {
  const { major } = wanted;
  const { clientPath, installClient: policy } = source;
  if (clientPath !== undefined) return readGiven(clientPath, wanted, context);
  const found = await findInstalled(context);
  const [best] = found.filter((tools) => isAsNew(tools, wanted));
  if (best?.major === major) return best;
  const { installClient } = await import('./install.ts');
  const installed = await installClient(wanted, policy, context);
  const tools = installed === undefined ? undefined : await readClient(installed, context);
  if (tools?.major === major && isAsNew(tools, wanted)) return tools;
  if (best) {
    context.log.warn(
      `Using the PostgreSQL ${best.major} client programs for a server of major ${major}: those of the server's version are not installed.`,
    );
    return best;
  }
  throw explainMissing(wanted, tools ?? found.find((other) => other.major === major));
}

function explainMissing(wanted: Release, older: ClientTools | undefined): ConfigurationError {
  const { major } = wanted;
  if (older === undefined) {
    return new ConfigurationError(
      `pg_dump and pg_restore of PostgreSQL ${major} are not on this machine`,
      say`${adviseInstall(major)}, or give the folder of the programs with ${nameInput('client-path')}.`,
    );
  }
  return new ConfigurationError(
    `pg_dump on this machine is version ${older.version}, older than the server's ${nameRelease(wanted)}, and its archives may not be restorable`,
    say`${adviseUpgrade(major)}, or give the folder of newer programs with ${nameInput('client-path')}.`,
  );
}

async function readGiven(clientPath: string, wanted: Release, context: Context): Promise<ClientTools> {
  const tools = await readClient(clientPath, context);
  if (!tools) {
    throw new ConfigurationError(
      say`${nameInput('client-path')}: ${clientPath} does not hold a working pg_dump and pg_restore`,
      `Give the folder of the PostgreSQL ${wanted.major} client programs.`,
    );
  }
  if (isAsNew(tools, wanted)) return tools;
  if (tools.major < wanted.major) {
    throw new ConfigurationError(
      say`${nameInput('client-path')}: pg_dump there is version ${tools.version}, older than the server's major ${wanted.major}`,
      `Install the PostgreSQL ${wanted.major} client programs and give their folder.`,
    );
  }
  throw new ConfigurationError(
    say`${nameInput('client-path')}: pg_dump there is version ${tools.version}, older than the server's ${nameRelease(wanted)}, and its archives may not be restorable`,
    `Give a folder with programs of ${nameRelease(wanted)} or newer. ${adviseUpgrade(tools.major)}.`,
  );
}

/** Finds installed tools, sorted by major, oldest first, and within a major by minor, newest first. */
async function findInstalled(context: Context): Promise<ClientTools[]> {
  const folders = candidateFolders(context.env).filter((folder) => !holdsWrapper(folder));
  const read = await Promise.all(folders.map((folder) => readClient(folder, context)));
  return read
    .filter((tools) => tools !== undefined)
    .sort((one, other) => one.major - other.major || readRelease(other).minor - readRelease(one).minor);
}

/**
 * Whether pg_dump in this folder is Debian's wrapper, a script in Perl that starts one of those in
 * /usr/lib/postgresql. They are candidates themselves, and answer at once.
 */
function holdsWrapper(folder: string): boolean {
  const pgDump = path.join(folder, 'pg_dump');
  return existsSync(pgDump) && path.basename(realpathSync(pgDump)) === 'pg_wrapper';
}

/**
 * Number of release dates from 14.0 until the first version of each major: all majors release minors on the
 * same days.
 */
const releasesBefore: Readonly<Record<number, number>> = { 14: 0, 15: 5, 16: 9, 17: 13, 18: 19 };

/**
 * Whether the tools are as new as wanted. A minor of a newer major is, if it came out on the same day or
 * later; a major missing from the list is accepted.
 */
function isAsNew(tools: ClientTools, wanted: Release): boolean {
  const { major, minor } = readRelease(tools);
  if (major <= wanted.major) return major === wanted.major && minor >= wanted.minor;
  const [before, since] = [releasesBefore[wanted.major], releasesBefore[major]];
  return before === undefined || since === undefined || since + minor >= before + wanted.minor;
}

function readRelease({ version }: ClientTools): Release {
  const [, major, minor = 0] = /^(\d+)(?:\.(\d+))?/.exec(version) ?? [];
  return { major: Number(major), minor: Number(minor) };
}

const nameRelease = ({ major, minor }: Release): string => `${major}.${minor}`;

async function readClient(folder: string, context: Context): Promise<ClientTools | undefined> {
  const pgDump = path.join(folder, 'pg_dump');
  const pgRestore = path.join(folder, 'pg_restore');
  if (!existsSync(pgDump) || !existsSync(pgRestore)) return undefined;
  const answer = await runTool(pgDump, ['--version'], {
    env: toolEnvironment(context.env),
    signal: context.signal,
  }).catch(() => undefined);
  const version = /(\d+(?:\.\d+)?\S*)/.exec(answer?.stdout ?? '')?.[1];
  if (version === undefined) return undefined;
  return { major: Number.parseInt(version, 10), version, pgDump, pgRestore };
}
