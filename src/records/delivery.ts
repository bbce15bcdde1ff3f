import type { Session } from '../postgres/session/connection.ts';
import { DamageWarnings } from '../repository/damage-warnings.ts';
import { type ListedRecord, listRecords } from '../repository/listed-records.ts';
import type { Repository } from '../repository/open.ts';
import { readListed } from '../repository/records.ts';
import type { Context } from '../runtime/context.ts';
import { day } from '../values/duration.ts';
import { stampOf, timeOf } from '../values/timed-id.ts';
import { type RecordedKind, type RecordWithRows, recordedKinds, toRows } from './rows.ts';
import { prepareSchema } from './schema.ts';
import { readNewestId, readPresent, writeRows } from './tables.ts';

/** What a run has brought into the database. */
export type Delivery =
  | {
      readonly kind: 'brought';
      /** Records, of any kind */
      readonly records: number;
      /** Records that are left to later runs */
      readonly left: number;
    }
  /** A newer version of this tool has made the schema, and nothing was written. */
  | { readonly kind: 'newer'; readonly version: number };

type DeliveryContext = Pick<Context, 'log' | 'now' | 'signal'>;

/** Records of each kind that one run brings at most */
const mostRecords = 1000;

/** Records in one transaction */
export const batchSize = 200;

/**
 * Brings the records into the database that it lacks: those after the newest that is there, in their order,
 * so that after an outage each run continues where the last one stopped. One day before that is looked at
 * again, because clocks differ and two runs may end at once. A damaged record is told as a warning, and passed
 * over.
 *
 * @throws ConfigurationError when the tables are not ours
 */
export async function deliverRecords(
  repository: Repository,
  session: Session,
  context: DeliveryContext,
): Promise<Delivery> {
  const readiness = await prepareSchema(session);
  if (readiness.kind === 'newer') return readiness;
  using damage = new DamageWarnings(context.log);
  let [records, left] = [0, 0];
  for (const kind of recordedKinds) {
    const missing = await findMissing(repository, session, kind, context.now());
    const chosen = missing.slice(0, mostRecords);
    left += missing.length - chosen.length;
    for (const batch of batchesOf(chosen)) {
      const read = await readBatch(repository, kind, batch, damage, context.signal);
      if (read.length > 0) await writeRows(session, toRows(repository.id, read));
      records += read.length;
    }
  }
  return { kind: 'brought', records, left };
}

async function findMissing(
  repository: Repository,
  session: Session,
  kind: RecordedKind,
  now: Date,
): Promise<ListedRecord[]> {
  const newest = await readNewestId(session, kind, repository.id, now);
  const from = newest === undefined ? undefined : lookBack(newest);
  const listed = await listRecords(repository, kind, from && listStamps(from, now));
  const stamp = from === undefined ? '' : stampOf(from);
  const asked = listed.filter(({ id }) => id >= stamp);
  const ids = asked.map(({ id }) => id);
  const present = await readPresent(session, kind, repository.id, ids);
  return asked.filter(({ id }) => !present.has(id));
}

/** One day before an id; undefined where it has the form of one and names no day, as of a 13th month. */
function lookBack(newest: string): Date | undefined {
  const time = timeOf(newest).getTime();
  return Number.isNaN(time) ? undefined : new Date(time - day);
}

/** Names that begin with one of this many days are asked for by the day; of more, all are listed. */
const mostDays = 10;

/** The days from one time until tomorrow, as the names of records begin; undefined where they are too many */
function listStamps(from: Date, now: Date): string[] | undefined {
  const days = Math.ceil((now.getTime() - from.getTime()) / day) + 2;
  if (days > mostDays) return undefined;
  return Array.from({ length: days }, (_, index) =>
    stampOf(new Date(from.getTime() + index * day)).slice(0, 8),
  );
}

export function* batchesOf(listed: readonly ListedRecord[]): Generator<readonly ListedRecord[]> {
  for (let at = 0; at < listed.length; at += batchSize) yield listed.slice(at, at + batchSize);
}

/** Reads records of one kind. What is damaged is told as a warning, and passed over. */
export async function readBatch(
  repository: Repository,
  kind: RecordedKind,
  batch: readonly ListedRecord[],
  damage: DamageWarnings,
  signal: AbortSignal,
): Promise<RecordWithRows[]> {
  const records = await readListed(repository, kind, batch, damage.warn, signal);
  return records.map((record) => ({ ...record, kind }) as RecordWithRows);
}
