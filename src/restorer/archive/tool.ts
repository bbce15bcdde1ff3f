import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ToolEnvironment } from '../../postgres/client/environment.ts';
import type { ClientTools } from '../../postgres/client/find.ts';
import { runTool, ToolError } from '../../postgres/client/process.ts';
import { type ArchiveEntry, writeList } from '../../postgres/client/table-of-contents.ts';
import { explainExpiry } from '../../postgres/session/accepted-passwords.ts';
import { quoteConnectionValue } from '../../postgres/session/client-variables.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import type { Context } from '../../runtime/context.ts';
import { messageOf, TargetError } from '../../runtime/errors.ts';
import type { SearchPaths } from '../search-paths.ts';
import { type Refusal, RefusalReader } from './refusal.ts';
import type { Step } from './steps.ts';

/** An archive, and the database that it is restored into. */
export interface ArchiveFile {
  readonly path: string;
  readonly client: ClientTools;
  readonly settings: ConnectionSettings;
  /** Connection and password, for pg_restore */
  readonly env: ToolEnvironment;
}

/** The outcome of a run of pg_restore. */
export interface ToolResult {
  /** Whether it restored every entry */
  readonly complete: boolean;
  /** What it reported of the entries that it did not restore; with several connections it may be garbled */
  readonly refusals: readonly Refusal[];
}

/**
 * Has pg_restore restore some entries, and go on after those that are refused.
 *
 * @throws Error with pg_restore's message when it could not work at all: the server was lost, or the archive
 * cannot be read
 */
export async function runRestore(
  file: ArchiveFile,
  entries: readonly ArchiveEntry[],
  jobs: number,
  { temporaryFolder, signal }: Pick<Context, 'temporaryFolder' | 'signal'>,
): Promise<ToolResult> {
  const list = path.join(temporaryFolder, `restore-${entries[0]?.id}.list`);
  writeFileSync(list, writeList(entries), { mode: 0o600 });
  const args = [
    '--no-password',
    // Without it, pg_restore does not tell which entry an error is about.
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

/** The archive of a backup as a file, and how it is restored. */
export interface RestoredArchive extends ArchiveFile {
  /** The entries to restore */
  readonly entries: readonly ArchiveEntry[];
  /** client_encoding of the session that tries refused entries again */
  readonly encoding: string;
  readonly searchPaths: SearchPaths;
  /** Connections for parallel steps */
  readonly jobs: number;
  /**
   * How a refused extension counts: `lost`, because the target lacks it; `told`, in a drill, because the
   * drill's server need not have it. A user's rows that cannot exist without it count as lost in both cases.
   */
  readonly refusedExtensions: 'lost' | 'told';
  /**
   * Owners of extensions in the source, by extension, where the connected role can act as any role. An
   * extension cannot be given to another role later.
   */
  readonly extensionOwners: ReadonlyMap<string, string>;
}

/**
 * @returns the error to throw when a step cannot go on: the server is lost or lacks resources, or the archive
 * cannot be read
 */
export function explainFailure(
  step: Step,
  cause: unknown,
  { settings }: Pick<ArchiveFile, 'settings'>,
  { signal }: Pick<Context, 'signal'>,
): Error {
  signal.throwIfAborted();
  if (cause instanceof TargetError) return cause;
  const words = messageOf(cause).replace(/^.*?(?=pg_restore: error: )/s, '');
  const incomplete =
    'The target is incomplete. Drop the database, fix the cause, and restore into a new one.';
  const expiry = explainExpiry(cause, settings);
  return expiry === undefined
    ? new TargetError(`${step}: ${words}`, incomplete, cause)
    : new TargetError(`${step}: ${expiry.what}: ${words}`, `${expiry.next} ${incomplete}`, cause);
}
