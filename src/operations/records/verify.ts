import type { RecordsInputs } from '../../interface/inputs/types.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { withRecords } from '../../records/connection.ts';
import { batchesOf, readBatch } from '../../records/delivery.ts';
import { type RecordedKind, recordedKinds, toRows } from '../../records/rows.ts';
import { findRecords } from '../../records/schema.ts';
import {
  compareRows,
  findSurplus,
  type RowDifference,
  readDeletedIds,
  readIds,
} from '../../records/tables.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { listRecords } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { openStorage } from '../../storage/open.ts';
import type { Verified } from './result.ts';

/** Compares every row with the repository. Changes nothing. */
export async function verifyRecords(
  inputs: Omit<RecordsInputs, 'operation'>,
  context: Context,
): Promise<Verified> {
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  return await withRecords(inputs, context, async (session) => {
    if (!(await findRecords(session)))
      throw new ConfigurationError(
        'records-url: there are no records in this database',
        'Fill it from the repository: run `records rebuild`.',
      );
    const verified = {
      kind: 'verified' as const,
      records: 0,
      differences: [] as RowDifference[],
      deleted: 0,
      outlived: 0,
    };
    for (const kind of recordedKinds) {
      const found = await verifyKind(session, repository, kind, context);
      append(verified.differences, found.differences);
      verified.records += found.records;
      verified.deleted += found.deleted;
      verified.outlived += found.outlived;
    }
    return verified;
  });
}

async function verifyKind(
  session: Session,
  repository: Repository,
  kind: RecordedKind,
  context: Context,
): Promise<Omit<Verified, 'kind'>> {
  // Before the records are listed: what a run brings meanwhile is no surplus.
  const there = await readIds(session, kind, repository.id);
  const listed = await listRecords(repository, kind);
  const found: RowDifference[] = [];
  let records = 0;
  for (const batch of batchesOf(listed)) {
    context.signal.throwIfAborted();
    const read = await readBatch(repository, kind, batch, context);
    const ids = batch.map(({ id }) => id);
    append(found, await compareRows(session, kind, repository.id, ids, toRows(repository.id, read)));
    records += read.length;
  }
  const { surplus, outlived } = findSurplus(kind, there, listed);
  append(found, surplus);
  const deletedIds = new Set(await readDeletedIds(session, kind, repository.id));
  const isDeleted = ({ kind: how, id }: RowDifference) => how === 'missing' && deletedIds.has(id);
  return {
    records,
    differences: found.filter((difference) => !isDeleted(difference)),
    deleted: new Set(found.filter(isDeleted).map(({ id }) => id)).size,
    outlived,
  };
}
