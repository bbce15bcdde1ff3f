import type { Manifest, StoredObject } from '../../format/manifest.ts';
import { readDecodedRows } from '../../postgres/decoding/decoded-rows.ts';
import { listUsable } from '../../repository/changes/recoverable.ts';
import { readSegments, type Segment } from '../../repository/changes/segments.ts';
import { createReader } from '../../repository/objects/store.ts';
import type { Repository } from '../../repository/open.ts';
import { IntegrityError } from '../../runtime/errors.ts';
import { parseLsn } from '../../values/lsn.ts';

/**
 * Chooses the segments to validate: for `all`, every segment; for `latest`, those that the newest backup can
 * be rolled forward with; for an id, none.
 *
 * @param choice an id, `latest` or `all`
 * @param manifests of the backups that are validated
 */
export async function chooseSegments(
  repository: Repository,
  choice: string,
  manifests: readonly Manifest[],
  onDamaged: (error: IntegrityError, key: string) => void,
  signal: AbortSignal,
): Promise<Segment[]> {
  if (choice !== 'all' && choice !== 'latest') return [];
  const segments = await readSegments(repository, onDamaged, { signal });
  return choice === 'all' ? segments : listUsable(manifests, segments);
}

/** Names the changes that would be lost with a segment, for people. */
export function nameSegment({ from, to, firstCommitAt, lastCommitAt }: Segment): string {
  const times =
    firstCommitAt === null || lastCommitAt === null
      ? 'no transactions'
      : `${firstCommitAt} – ${lastCommitAt}`;
  return `changes ${from} to ${to} (${times})`;
}

/**
 * Reads the text of a segment as a replay would: it must hold whole transactions, as many as its header says,
 * each committed within the segment.
 *
 * @returns what is wrong; undefined when nothing is
 */
export async function checkChanges(
  repository: Repository,
  segment: Segment,
  identities: readonly string[],
): Promise<string | undefined> {
  const reader = createReader(repository, segment, identities);
  const check = new PairCheck(segment);
  try {
    const text = readText(segment.objects, (object) => reader.read(object));
    // The check needs only the rows BEGIN and COMMIT, which are ASCII.
    for await (const rows of readDecodedRows(text, 'latin1')) for (const row of rows) check.add(row);
    return check.finish();
  } catch (error) {
    if (error instanceof IntegrityError) return error.message;
    throw error;
  }
}

async function* readText(
  objects: readonly StoredObject[],
  read: (object: StoredObject) => Promise<Buffer>,
): AsyncGenerator<Buffer> {
  for (const object of objects) yield await read(object);
}

/** Checks that every row belongs to a transaction that begins and is committed. */
class PairCheck {
  readonly #segment: Segment;
  #open: number | undefined;
  #committed = 0;
  #wrong: string | undefined;

  constructor(segment: Segment) {
    this.#segment = segment;
  }

  add({ lsn, xid, data }: { lsn: string; xid: number; data: string }): void {
    if (this.#wrong !== undefined) return;
    const [, word, number] = /^(BEGIN|COMMIT) (\d+)(?: \(at |$)/.exec(data) ?? [];
    const at = `the row at ${lsn}`;
    if (number !== undefined && Number(number) !== xid) this.#wrong = `${at} names two transactions`;
    else if (word === 'BEGIN') {
      if (this.#open !== undefined) this.#wrong = `${at} begins a transaction within another`;
      this.#open = xid;
    } else if (this.#open !== xid) this.#wrong = `${at} is in no transaction`;
    else if (word === 'COMMIT') {
      const end = parseLsn(lsn);
      const { from, to } = this.#segment;
      if (end <= parseLsn(from) || end > parseLsn(to)) this.#wrong = `${at} was committed outside of it`;
      this.#open = undefined;
      this.#committed++;
    }
  }

  finish(): string | undefined {
    if (this.#wrong !== undefined) return this.#wrong;
    if (this.#open !== undefined) return 'its last transaction has no COMMIT';
    const { transactions } = this.#segment;
    return this.#committed === transactions
      ? undefined
      : `it has ${this.#committed} transactions instead of ${transactions}`;
  }
}
