import type { DecodedRow } from '../../postgres/decoding/decoded-rows.ts';
import { readHead } from '../../postgres/decoding/test-decoding.ts';
import { IntegrityError, messageOf, TargetError } from '../../runtime/errors.ts';
import type { Effect } from './routes.ts';

/** What to do when a replay has failed: what came before is in the target. */
export const incomplete =
  'The target is incomplete: drop the database, mend the cause, and restore into a new one, or restore a backup without changes.';

/** What is being done for a statement, for the error when it fails */
export interface Note {
  readonly effect: Effect | undefined;
  readonly row: DecodedRow | undefined;
}

export const nobody: Note = { effect: undefined, row: undefined };

/** Every change is about one row. */
export function checkRows(rows: number, { effect, row }: Note): void {
  if (effect === undefined || row === undefined || rows === 1) return;
  const { kind } = readHead(row.data);
  if (kind === 'truncate') return;
  // Where foreign keys are at work, what refers to a row that was deleted is gone with it.
  if (rows === 0 && kind !== 'insert' && effect.cascades) return;
  throw diverged({ effect, row }, `the ${kind} hit ${rows} rows instead of one`);
}

/** The server's words, and what they are about */
export function explainRefusal(error: Error, note: Note = nobody): Error {
  if (note.row === undefined) return error;
  return diverged(note, `the server refused the ${readHead(note.row.data).kind}: ${messageOf(error)}`, error);
}

export function diverged({ effect, row }: Note, what: string, cause?: unknown): TargetError {
  const where = `${effect?.what}, transaction ${row?.xid} at ${row?.lsn}`;
  return new TargetError(`the replay has diverged: ${where}: ${what}`, incomplete, cause);
}

export function broken(what: string): IntegrityError {
  return new IntegrityError(
    what,
    'Run validate to see what is damaged; choose a time before it, or a newer backup.',
  );
}
