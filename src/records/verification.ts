import type { Session } from '../postgres/session/connection.ts';
import { DamageWarnings } from '../repository/damage-warnings.ts';
import { type ListedRecord, listRecords } from '../repository/listed-records.ts';
import type { Repository } from '../repository/open.ts';
import type { Context } from '../runtime/context.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { append } from '../runtime/lists.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { batchesOf, readBatch } from './delivery.ts';
import { type RecordedKind, recordedKinds, toRows } from './rows.ts';
import { findRecords } from './schema.ts';
import { compareRows, findSurplus, mostSurplus, type RowDifference, readDeleted } from './tables.ts';

/** What the database has, compared with the repository. */
export interface Verification {
  /** Records of the repository that have rows */
  readonly records: number;
  readonly differences: readonly RowDifference[];
  /** Records of which somebody deleted rows, as the log of changes tells: no difference */
  readonly deleted: number;
  /** Rows that are older than anything the repository keeps of their kind: no difference */
  readonly outlived: number;
}

type VerificationContext = Pick<Context, 'log' | 'signal'>;

/**
 * Compares every row with the repository. Changes nothing.
 *
 * @throws ConfigurationError when there are no tables of ours, or of another version
 */
export async function verifyRows(
  repository: Repository,
  session: Session,
  context: VerificationContext,
): Promise<Verification> {
  if (!(await findRecords(session)))
    throw new ConfigurationError(
      say`${nameInput('records-url')}: there are no records in this database`,
      'Fill it from the repository: run `records rebuild`.',
    );
  const differences: RowDifference[] = [];
  const sum = { records: 0, deleted: 0, outlived: 0 };
  for (const kind of recordedKinds) {
    const found = await verifyKind(repository, session, kind, context);
    append(differences, found.differences);
    sum.records += found.records;
    sum.deleted += found.deleted;
    sum.outlived += found.outlived;
  }
  return { ...sum, differences };
}

async function verifyKind(
  repository: Repository,
  session: Session,
  kind: RecordedKind,
  context: VerificationContext,
): Promise<Verification> {
  const listed = await listRecords(repository, kind);
  using damage = new DamageWarnings(context.log);
  const found: RowDifference[] = [];
  let records = 0;
  for (const batch of batchesOf(listed)) {
    const read = await readBatch(repository, kind, batch, damage, context.signal);
    const ids = batch.map(({ id }) => id);
    append(found, await compareRows(session, kind, repository.id, ids, toRows(repository.id, read)));
    records += read.length;
    context.log.progress(`${kind}: ${records} records compared`);
  }
  const { surplus, outlived } = await findUnlisted(repository, session, kind, listed, context);
  append(found, surplus);
  const missing = found.filter((row) => row.kind === 'missing').map(({ id }) => id);
  const wasDeleted = await readDeleted(session, kind, repository.id, [...new Set(missing)]);
  const isDeleted = (row: RowDifference) => row.kind === 'missing' && wasDeleted(row);
  return {
    records,
    differences: found.filter((difference) => !isDeleted(difference)),
    deleted: new Set(found.filter(isDeleted).map(({ id }) => id)).size,
    outlived,
  };
}

/** Finds rows without a record. What a run has brought since the records were listed is none of them. */
async function findUnlisted(
  repository: Repository,
  session: Session,
  kind: RecordedKind,
  listed: readonly ListedRecord[],
  { log }: VerificationContext,
): ReturnType<typeof findSurplus> {
  const { surplus, outlived } = await findSurplus(session, kind, repository.id, listed);
  if (surplus.length === 0) return { surplus, outlived };
  if (surplus.length === mostSurplus)
    log.warn(`${kind}: more than ${mostSurplus} rows have no record; only the first of them are named`);
  const known = new Set((await listRecords(repository, kind)).map(({ id }) => id));
  return { surplus: surplus.filter(({ id }) => !known.has(id)), outlived };
}
