import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf, TargetError } from '../errors.ts';
import { type ArchiveEntry, writeList } from '../postgres/archive.ts';
import type { ClientTools } from '../postgres/client.ts';
import { runTool } from '../postgres/process.ts';
import { quoteConnectionValue } from '../postgres/settings.ts';
import type { World } from '../world.ts';
import { isParallel, type Step } from './steps.ts';

/** The archive as a file, with what it takes to restore from it. */
export interface ArchiveFile {
  readonly path: string;
  readonly client: ClientTools;
  readonly steps: ReadonlyMap<Step, readonly ArchiveEntry[]>;
  readonly database: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Restores entries of one step.
 *
 * @param jobs connections, for the steps that can use them
 * @throws TargetError with what pg_restore said
 */
export async function restoreEntries(
  archive: ArchiveFile,
  step: Step,
  entries: readonly ArchiveEntry[],
  jobs: number,
  world: World,
): Promise<void> {
  if (entries.length === 0) return;
  const list = path.join(world.temporaryFolder, `restore-${entries[0]?.id}.list`);
  writeFileSync(list, writeList(entries), { mode: 0o600 });
  const args = [
    '--exit-on-error',
    '--no-password',
    `--use-list=${list}`,
    `--dbname=dbname=${quoteConnectionValue(archive.database)}`,
    ...(jobs > 1 && isParallel(step) ? [`--jobs=${jobs}`] : []),
    archive.path,
  ];
  try {
    await runTool(archive.client.pgRestore, args, { env: archive.env, signal: world.signal });
  } catch (cause) {
    world.signal.throwIfAborted();
    throw new TargetError(
      `${step}: ${messageOf(cause)}`,
      'The target is incomplete: drop the database, mend the cause, and restore into a new one.',
      cause,
    );
  }
}
