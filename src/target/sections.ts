import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf, TargetError } from '../errors.ts';
import { type ArchiveEntry, writeList } from '../postgres/archive.ts';
import type { ClientTools } from '../postgres/client.ts';
import { runTool } from '../postgres/process.ts';
import { quoteConnectionValue } from '../postgres/settings.ts';
import type { World } from '../world.ts';

/** The archive as a file, with the tool and the entries to restore from it. */
export interface ArchiveFile {
  readonly path: string;
  readonly client: ClientTools;
  readonly entries: readonly ArchiveEntry[];
}

/**
 * Restores one section of the archive: `pre-data` (definitions), `data` (sequence values, large objects, configuration of
 * extensions) or `post-data` (indexes, constraints, triggers, policies, refreshes of materialized views).
 *
 * @param jobs connections; more than one only for post-data
 * @throws TargetError with what pg_restore said
 */
export async function restoreSection(
  archive: ArchiveFile,
  section: 'pre-data' | 'data' | 'post-data',
  database: string,
  jobs: number,
  env: NodeJS.ProcessEnv,
  world: World,
): Promise<void> {
  const list = path.join(world.temporaryFolder, `${section}.list`);
  writeFileSync(list, writeList(archive.entries), { mode: 0o600 });
  const args = [
    '--exit-on-error',
    '--no-password',
    `--section=${section}`,
    `--use-list=${list}`,
    `--dbname=dbname=${quoteConnectionValue(database)}`,
    ...(jobs > 1 ? [`--jobs=${jobs}`] : []),
    archive.path,
  ];
  try {
    await runTool(archive.client.pgRestore, args, { env, signal: world.signal });
  } catch (cause) {
    world.signal.throwIfAborted();
    throw new TargetError(
      `${section}: ${messageOf(cause)}`,
      'The target is incomplete: drop the database, mend the cause, and restore into a new one.',
      cause,
    );
  }
}
