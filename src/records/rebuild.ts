import type { Session } from '../postgres/session/connection.ts';
import { DamageWarnings } from '../repository/damage-warnings.ts';
import { listRecords } from '../repository/listed-records.ts';
import type { Repository } from '../repository/open.ts';
import type { Context } from '../runtime/context.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { batchesOf, readBatch } from './delivery.ts';
import { type RecordRows, recordedKinds, toRows } from './rows.ts';
import { findRecords, prepareSchema } from './schema.ts';
import { compareRows, writeRows } from './tables.ts';

/** Only `write` changes the database. */
export type RebuildMode = 'write' | 'dry-run';

export interface Rebuild {
  /** Records of the repository that have rows */
  readonly records: number;
  /** Rows that were inserted or corrected, or would be */
  readonly rows: number;
}

/**
 * Inserts the rows that the repository has and the database lacks, and corrects those that differ. No row is
 * deleted. It may be stopped and run again at any time.
 *
 * @throws ConfigurationError when the tables are not ours, or of another version
 */
export async function rebuildRows(
  repository: Repository,
  session: Session,
  mode: RebuildMode,
  context: Pick<Context, 'log' | 'signal'>,
): Promise<Rebuild> {
  const isThere = await prepare(session, mode);
  using damage = new DamageWarnings(context.log);
  const sum = { records: 0, rows: 0 };
  for (const kind of recordedKinds) {
    for (const batch of batchesOf(await listRecords(repository, kind))) {
      const read = await readBatch(repository, kind, batch, damage, context.signal);
      const rows = toRows(repository.id, read);
      const ids = batch.map(({ id }) => id);
      const wrong = isThere ? await countWrong(session, kind, repository.id, ids, rows) : countRows(rows);
      // What is as it should be is not written, so that a database that is backed up itself stays idle.
      if (wrong > 0) sum.rows += mode === 'write' ? await writeRows(session, rows) : wrong;
      sum.records += read.length;
      context.log.progress(`${sum.records} records compared`);
    }
  }
  return sum;
}

/** @returns whether the tables are there */
async function prepare(session: Session, mode: RebuildMode): Promise<boolean> {
  if (mode === 'dry-run') return await findRecords(session);
  const readiness = await prepareSchema(session);
  if (readiness.kind === 'ready') return true;
  throw new ConfigurationError(
    say`${nameInput('records-url')}: a newer version of supabase-backup created the tables there (version ${readiness.version})`,
    'Use that version, or another database.',
  );
}

async function countWrong(...asked: Parameters<typeof compareRows>): Promise<number> {
  const found = await compareRows(...asked);
  return found.filter(({ kind }) => kind !== 'surplus').length;
}

function countRows(rows: RecordRows): number {
  return Object.values(rows).reduce((sum, { length }) => sum + length, 0);
}
