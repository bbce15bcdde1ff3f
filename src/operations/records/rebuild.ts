import type { RecordsInputs } from '../../interface/inputs/types.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { withRecords } from '../../records/connection.ts';
import { batchesOf, readBatch } from '../../records/delivery.ts';
import { type RecordedKind, type RecordRows, recordedKinds, toRows } from '../../records/rows.ts';
import { findRecords, prepareSchema } from '../../records/schema.ts';
import { compareRows, writeRows } from '../../records/tables.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { type ListedRecord, listRecords } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { openStorage } from '../../storage/open.ts';
import type { Rebuilt } from './result.ts';

/**
 * Inserts the rows that the repository has and the database lacks, and corrects those that differ. No row is
 * deleted. May be stopped and run again at any time.
 */
export async function rebuildRecords(
  inputs: Omit<RecordsInputs, 'operation'>,
  context: Context,
): Promise<Rebuilt> {
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const mode = inputs.dryRun ? 'dry-run' : 'write';
  return await withRecords(inputs, context, async (session) => {
    const isThere = await prepare(session, mode);
    const sum = { records: 0, rows: 0 };
    for (const kind of recordedKinds) {
      const listed = await listRecords(repository, kind);
      for (const batch of batchesOf(listed)) {
        context.signal.throwIfAborted();
        const read = await readBatch(repository, kind, batch, context);
        const rows = toRows(repository.id, read);
        sum.records += read.length;
        const wrong = isThere ? await countWrong(session, repository, kind, batch, rows) : countRows(rows);
        // What is as it should be is not written: a database that is watched stays idle.
        if (wrong > 0) sum.rows += mode === 'write' ? await writeRows(session, rows) : wrong;
        context.log.progress(`${kind}: ${sum.records} records`);
      }
    }
    return { kind: 'rebuilt', mode, ...sum };
  });
}

/** @returns whether the tables are there */
async function prepare(session: Session, mode: Rebuilt['mode']): Promise<boolean> {
  if (mode === 'dry-run') return await findRecords(session);
  const readiness = await prepareSchema(session);
  if (readiness.kind === 'ready') return true;
  throw new ConfigurationError(
    `records-url: a newer version of supabase-backup made the tables there (version ${readiness.version})`,
    'Use that version, or another database.',
  );
}

async function countWrong(
  session: Session,
  repository: Repository,
  kind: RecordedKind,
  batch: readonly ListedRecord[],
  rows: RecordRows,
): Promise<number> {
  const ids = batch.map(({ id }) => id);
  const found = await compareRows(session, kind, repository.id, ids, rows);
  return found.filter((difference) => difference.kind !== 'surplus').length;
}

function countRows(rows: RecordRows): number {
  return Object.values(rows).reduce((sum, { length }) => sum + length, 0);
}
