import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ToolEnvironment } from '../../postgres/client/environment.ts';
import type { ClientTools } from '../../postgres/client/find.ts';
import { runTool, ToolError } from '../../postgres/client/process.ts';
import { type ArchiveEntry, writeList } from '../../postgres/client/table-of-contents.ts';
import { explainExpiry } from '../../postgres/session/accepted-passwords.ts';
import { quoteConnectionValue } from '../../postgres/session/client-variables.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import type { World } from '../../runtime/context.ts';
import { messageOf, TargetError } from '../../runtime/errors.ts';
import type { SearchPaths } from '../search-paths.ts';
import { type Refusal, RefusalReader } from './refusal.ts';
import type { Step } from './steps.ts';

/** An archive, and the database that it goes into. */
export interface ArchiveFile {
  readonly path: string;
  readonly client: ClientTools;
  readonly settings: ConnectionSettings;
  /** Connection and password, for pg_restore */
  readonly env: ToolEnvironment;
}

/** What pg_restore has done. */
export interface ToolResult {
  /** Whether it did all */
  readonly complete: boolean;
  /** What it said about what it did not; of several connections it may be garbled */
  readonly refusals: readonly Refusal[];
}

/**
 * Has pg_restore restore some entries, without ending at the first that is refused.
 *
 * @throws Error with its words when it could not do its work: the server was lost, or the archive cannot be read
 */
export async function runRestore(
  file: ArchiveFile,
  entries: readonly ArchiveEntry[],
  jobs: number,
  { temporaryFolder, signal }: Pick<World, 'temporaryFolder' | 'signal'>,
): Promise<ToolResult> {
  const list = path.join(temporaryFolder, `restore-${entries[0]?.id}.list`);
  writeFileSync(list, writeList(entries), { mode: 0o600 });
  const args = [
    '--no-password',
    // Only then it tells which entry it was at.
    '--verbose',
    `--use-list=${list}`,
    `--dbname=dbname=${quoteConnectionValue(file.settings.database)}`,
    ...(jobs > 1 ? [`--jobs=${jobs}`] : []),
    file.path,
  ];
  const reader = new RefusalReader();
  const { env } = file;
  try {
    await runTool(file.client.pgRestore, args, { env, signal, onErrorLine: (line) => reader.read(line) });
    return { complete: true, refusals: [] };
  } catch (cause) {
    signal.throwIfAborted();
    reader.end();
    if (!(cause instanceof ToolError) || !/ exited with 1\b/.test(cause.message)) throw cause;
    if (jobs === 1 && reader.failure !== undefined) throw new Error(reader.failure, { cause });
    return { complete: false, refusals: reader.refusals };
  }
}

/** The archive of a backup as a file, and where it goes. */
export interface RestoredArchive extends ArchiveFile {
  /** What is to be restored of it */
  readonly entries: readonly ArchiveEntry[];
  /** Of the session that tries again what pg_restore could not do, as in client_encoding */
  readonly encoding: string;
  readonly searchPaths: SearchPaths;
  /** Connections, for the steps that can use several */
  readonly jobs: number;
  /**
   * What an extension is that the server refuses: something that the target lacks, or, where the backup alone is tried, a matter of that
   * server. Rows of a user that cannot be without it are lost in both cases.
   */
  readonly refusedExtensions: 'lost' | 'told';
  /** Whose extensions were in the source, by name, where the connected role can act as anybody; nobody can be given one later. */
  readonly extensionOwners: ReadonlyMap<string, string>;
}

/** @returns what to throw when a step cannot go on: the server is lost or lacks resources, or the archive cannot be read */
export function explainFailure(
  step: Step,
  cause: unknown,
  { settings }: Pick<ArchiveFile, 'settings'>,
  { signal }: Pick<World, 'signal'>,
): Error {
  signal.throwIfAborted();
  if (cause instanceof TargetError) return cause;
  const words = messageOf(cause).replace(/^.*?(?=pg_restore: error: )/s, '');
  const incomplete =
    'The target is incomplete: drop the database, mend the cause, and restore into a new one.';
  const expiry = explainExpiry(cause, settings);
  return expiry === undefined
    ? new TargetError(`${step}: ${words}`, incomplete, cause)
    : new TargetError(`${step}: ${expiry.what}: ${words}`, `${expiry.next} ${incomplete}`, cause);
}
