import type { DecodedRow } from '../../postgres/decoding/decoded-rows.ts';
import { readHead } from '../../postgres/decoding/test-decoding.ts';
import { IntegrityError, messageOf, TargetError } from '../../runtime/errors.ts';
import type { Effect } from './routes.ts';

/** Next step after a failed replay. What came before the failure is in the target. */
export const incomplete =
  'The target is incomplete. Drop the database, mend the cause, and restore into a new one, or restore a backup without changes.';

/** What a statement is run for, to be named in an error */
export interface Note {
  readonly effect: Effect | undefined;
  readonly row: DecodedRow | undefined;
}

export const nobody: Note = { effect: undefined, row: undefined };

/**
 * Checks that a change hit exactly one row.
 *
 * @throws TargetError when it did not
 */
export function checkRows(rows: number, { effect, row }: Note): void {
  if (effect === undefined || row === undefined || rows === 1) return;
  const { kind } = readHead(row.data);
  if (kind === 'truncate') return;
  // With foreign keys active, a row is gone already when the row that it refers to was deleted.
  if (rows === 0 && kind !== 'insert' && effect.cascades) return;
  throw diverged({ effect, row }, `the ${kind} hit ${rows} rows instead of one`);
}

/** Adds to an error of the server which change it is about. */
export function explainRefusal(error: Error, note: Note = nobody): Error {
  if (note.row === undefined) return error;
  return diverged(note, `the server refused the ${readHead(note.row.data).kind}: ${messageOf(error)}`, error);
}

export function diverged({ effect, row }: Note, what: string, cause?: unknown): TargetError {
  const where = `${effect?.what}, transaction ${row?.xid} at ${row?.lsn}`;
  return new TargetError(`the replay differs from the source: ${where}: ${what}`, incomplete, cause);
}

export function broken(what: string): IntegrityError {
  return new IntegrityError(
    what,
    'Run `validate` to find the damage. Choose a time before it, or a newer backup.',
  );
}
