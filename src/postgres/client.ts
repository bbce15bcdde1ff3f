import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ConfigurationError } from '../errors.ts';
import type { World } from '../world.ts';
import { runTool } from './process.ts';

/** pg_dump, pg_restore and psql of one major. */
export interface ClientTools {
  readonly major: number;
  readonly version: string;
  readonly pgDump: string;
  readonly pgRestore: string;
}

/**
 * Finds the client tools for a server. Its own major is preferred and a newer one accepted; an older pg_dump refuses a newer
 * server. Debian's wrappers pick a version of their own, so versioned folders are looked at before PATH.
 *
 * @param major the server's (for a restore, the archive's or the target's, whichever is newer)
 * @throws ConfigurationError when there is none and none can be installed
 */
export async function findClient(
  major: number,
  world: World,
  clientPath: string | undefined,
): Promise<ClientTools> {
  if (clientPath !== undefined) {
    const tools = await readClient(clientPath, world);
    if (!tools) {
      throw new ConfigurationError(
        `client-path: ${clientPath} does not hold a working pg_dump and pg_restore`,
        `Give the folder of the PostgreSQL ${major} client programs.`,
      );
    }
    if (tools.major < major) {
      throw new ConfigurationError(
        `client-path: pg_dump there is version ${tools.version}, older than the server's major ${major}`,
        `Install the PostgreSQL ${major} client programs and give their folder.`,
      );
    }
    return tools;
  }
  const found = (await Promise.all(candidateFolders(world.env).map((folder) => readClient(folder, world))))
    .filter((tools) => tools !== undefined)
    .filter((tools) => tools.major >= major)
    .sort((one, other) => one.major - other.major);
  const best = found[0];
  if (best?.major === major) return best;
  const { installClient } = await import('./install.ts');
  const installed = await installClient(major, world);
  if (installed !== undefined) {
    const tools = await readClient(installed, world);
    if (tools?.major === major) return tools;
  }
  if (best) {
    world.log.warn(
      `Using the PostgreSQL ${best.major} client programs for a server of major ${major}: the right ones are not installed.`,
    );
    return best;
  }
  throw new ConfigurationError(
    `pg_dump and pg_restore of PostgreSQL ${major} are not on this machine`,
    `Install postgresql-client-${major}, or give the folder of the programs with client-path.`,
  );
}

function candidateFolders(env: NodeJS.ProcessEnv): string[] {
  const versioned = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt', '/usr']
    .filter((root) => existsSync(root))
    .flatMap((root) =>
      readdirSync(root)
        .filter((name) => /^(\d+|postgresql@\d+|libpq|pgsql-\d+)$/.test(name))
        .map((name) => path.join(root, name, 'bin')),
    );
  return [
    ...new Set([...versioned, ...(env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '')]),
  ];
}

async function readClient(folder: string, world: World): Promise<ClientTools | undefined> {
  const pgDump = path.join(folder, 'pg_dump');
  const pgRestore = path.join(folder, 'pg_restore');
  if (!existsSync(pgDump) || !existsSync(pgRestore)) return undefined;
  const answer = await runTool(pgDump, ['--version'], { env: world.env, signal: world.signal }).catch(
    () => undefined,
  );
  const version = /(\d+(?:\.\d+)?\S*)/.exec(answer?.stdout ?? '')?.[1];
  if (version === undefined) return undefined;
  return { major: Number.parseInt(version, 10), version, pgDump, pgRestore };
}
