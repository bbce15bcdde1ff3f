import type { TableInfo } from '../../postgres/catalog/tables.ts';
import type { ToolEnvironment } from '../../postgres/client/environment.ts';
import type { ClientTools } from '../../postgres/client/find.ts';
import { startTool } from '../../postgres/client/process.ts';
import { explainExpiry } from '../../postgres/session/accepted-passwords.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { messageOf, SourceError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { BufferPool } from '../rows/buffer-pool.ts';
import { ObjectSink, type PendingPiece, type PlainObject, type Store } from '../rows/object-sink.ts';
import { explainFullLockTable, isFullLockTable, nameBlockers } from '../snapshot/locks.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { excludePatterns } from './exclude-patterns.ts';
import { checkReservedOptions } from './reserved-options.ts';

/**
 * Dumps everything except our rows as one pg_dump custom archive under the same snapshot: definitions,
 * grants, sequence values, large objects, configuration tables of extensions, and the order to refresh
 * materialized views. pg_dump does not compress the archive, because its parts are compressed as objects.
 *
 * @param excluded tables whose rows the archive leaves out
 * @throws SourceError when pg_dump fails; ConfigurationError when this pg_dump is unfit for the server, or
 *   the server has too few locks
 */
export async function dumpArchive<Stored extends PlainObject>(
  snapshot: Snapshot,
  client: ClientTools,
  excluded: readonly TableInfo[],
  options: {
    schemaOnly: boolean;
    /** The same connection twice: for pg_dump, and to find out which sessions block it. */
    env: ToolEnvironment;
    settings: ConnectionSettings;
    pool: BufferPool;
    store: Store<Stored>;
    signal: AbortSignal;
  },
): Promise<readonly PendingPiece[]> {
  await checkReservedOptions(snapshot, client, options);
  const args = [
    '--format=custom',
    '--compress=0',
    '--no-password',
    `--snapshot=${snapshot.exported}`,
    // Without it, pg_dump would read the patterns below in the database's encoding.
    `--encoding=${snapshot.encoding}`,
    `--lock-wait-timeout=${Math.round(snapshot.lockTimeoutSeconds * 1000)}`,
    ...snapshot.ours.schemas.map((name) => `--exclude-schema=${name}`),
    ...(options.schemaOnly
      ? ['--schema-only']
      : excludePatterns(excluded).map((pattern) => `--exclude-table-data=${pattern}`)),
  ];
  let failedToLock = false;
  const run = startTool(client.pgDump, args, {
    env: options.env,
    signal: options.signal,
    // These are pg_dump's own words; those of the server may be in any language.
    onErrorLine: (line) => {
      failedToLock ||= /\bquery was: LOCK TABLE /i.test(line);
    },
  });
  // pg_dump also locks tables whose rows are left out.
  const nameAll = () => {
    const oids = [...snapshot.tables, ...snapshot.leftOut].map((table) => table.oid);
    return nameBlockers(options.settings, oids).catch(() => '');
  };
  const sink = new ObjectSink(options.pool, options.store, options.signal);
  try {
    for await (const chunk of run.stdout) await sink.append(chunk as Buffer);
    await run.done;
  } catch (cause) {
    run.kill();
    const reason = await run.done.then(
      () => cause,
      (error: unknown) => error,
    );
    options.signal.throwIfAborted();
    if (isFullLockTable(reason)) {
      throw await explainFullLockTable(
        options.settings,
        snapshot.tables.length + snapshot.leftOut.length,
        reason,
      );
    }
    const waited = failedToLock
      ? say`; pg_dump could not lock a table within ${nameInput('lock-timeout')}${await nameAll()}`
      : '';
    const expiry = explainExpiry(reason, options.settings);
    if (expiry !== undefined)
      throw new SourceError(`${expiry.what}: ${messageOf(reason)}`, expiry.next, cause);
    throw new SourceError(
      say`${messageOf(reason)}${waited}`,
      'Nothing was recorded. Fix what pg_dump reports and run the backup again.',
      cause,
    );
  }
  await sink.finish();
  sink.endCopy(0);
  return sink.copies[0]?.pieces ?? [];
}
