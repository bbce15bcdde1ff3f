import type { Session } from '../../postgres/session/connection.ts';
import { type Segment, writeSegment } from '../../repository/changes/segments.ts';
import { readChanges } from '../../source/changes/reader.ts';
import { advanceSlot } from '../../source/changes/slot.ts';
import { findStrangers, listKeyless, readChangeState } from '../../source/changes/state.ts';
import { chooseWalPosition } from '../../source/changes/wal-position.ts';
import { parseLsn } from '../../values/lsn.ts';
import type { Destination } from '../backup/destination.ts';
import type { Captured } from './result.ts';
import { SegmentAssembly, type SegmentRun } from './segment.ts';

/** How often a run looks at most when a table was rewritten and nothing in the log says why */
const looks = 3;

/**
 * Reads the slot to the end of the log at the beginning of the reading, and stores a segment for each part.
 *
 * @param segments receives each segment once it is stored
 * @returns tables whose updates and deletes cannot be captured
 * @throws UnreadableChangesError when the server cannot decode what the slot holds
 */
export async function drainSlot(
  session: Session,
  name: string,
  run: SegmentRun,
  { repository, lock, writer, context }: Destination,
  segments: Segment[],
): Promise<Captured['keyless']> {
  const assembly = new SegmentAssembly(repository, run);
  const store = (plaintext: Buffer) => writer.store(plaintext);
  const strangers = new Set<string>();
  let keyless: Captured['keyless'] = [];
  let { from } = run.chain;
  for (let look = 1; !assembly.isComplete; look++) {
    const position = await chooseWalPosition(session, from, context.signal);
    const state = await readChangeState(session);
    keyless = listKeyless(state);
    while (parseLsn(from) < parseLsn(position.lsn)) {
      const range = { from, until: position.lsn, xmax: position.xmax, ownSchemas: state.ownSchemas };
      const read = await readChanges(session, name, range, store, context.signal);
      const segment = assembly.assemble(from, read, { position, state }, look < looks);
      for (const name of findStrangers(read.tally.tables, state)) strangers.add(name);
      await Promise.all([writer.assertStored(segment.objects, context.signal), lock.assertHeld()]);
      await writeSegment(repository, segment);
      segments.push(segment);
      await advanceSlot(session, name, segment.to);
      context.log.progress(`captured up to ${segment.lastCommitAt ?? segment.through}`);
      from = segment.to;
    }
  }
  if (strangers.size > 0) {
    context.log.warn(
      `changed, but in no backup: ${[...strangers].join(', ')}. A recovery leaves these changes out, because pg_dump does not write tables of extensions`,
    );
  }
  return keyless;
}
