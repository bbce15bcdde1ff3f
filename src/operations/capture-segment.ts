import type { CaptureInputs } from '../inputs.ts';
import { parseLsn } from '../postgres/lsn.ts';
import { copyEncoding, outputSettings } from '../postgres/session-settings.ts';
import { qualifiedName } from '../postgres/tables.ts';
import type { Repository } from '../repository/repository.ts';
import { digestDefinitions, type Segment } from '../repository/segments.ts';
import type { ReadChanges } from '../source/change-reader.ts';
import { type ChangeState, findRewritten, findUncovered, keyOf } from '../source/change-state.ts';
import type { SourceIdentity } from '../source/identity.ts';
import type { WalPosition } from '../source/wal-position.ts';
import { toolName, toolVersion } from '../version.ts';
import type { Chain } from './capture-chain.ts';

interface Run {
  readonly chain: Chain;
  readonly identity: SourceIdentity;
  readonly state: ChangeState;
  readonly position: WalPosition;
  readonly inputs: CaptureInputs;
}

/**
 * Makes the headers of a capture's segments, one after another. The last one says until when everything is there, and how the database
 * looks then; those before it repeat what the capture before has said, because nobody has looked at their end.
 */
export class SegmentAssembly {
  readonly #run: Run;
  readonly #now: Pick<Segment, 'definitions' | 'filenodes' | 'sequences'>;
  readonly #truncated = new Set<string>();
  #xmax: bigint;

  constructor(repository: Repository, run: Run) {
    this.#run = run;
    this.#xmax = run.chain.fromXmax;
    const { definitions, tables, sequences } = run.state;
    this.#now = {
      definitions: digestDefinitions(repository, definitions, tables),
      filenodes: Object.fromEntries(tables.map(({ oid, relfilenode }) => [oid, relfilenode])),
      sequences: sequences.map(({ schema, name, lastValue, isCalled }) => {
        return { schema, name, lastValue, isCalled, latest: null };
      }),
    };
  }

  assemble(from: string, { to, objects, tally }: ReadChanges): Segment {
    const { chain, identity, state, position, inputs } = this.#run;
    for (const table of tally.tables) if (table.truncates > 0) this.#truncated.add(keyOf(table));
    const fromXmax = this.#xmax;
    // A commit may be in the log before its transaction counts as ended, so the snapshot alone would tell too little.
    for (const xid of [position.xmax, tally.highestXid + 1n]) if (xid > this.#xmax) this.#xmax = xid;
    const isLast = parseLsn(to) >= parseLsn(position.lsn);
    const recipients = [...inputs.encryptionRecipients];
    return {
      format: 1,
      tool: { name: toolName, version: toolVersion },
      chain: chain.description,
      from,
      to,
      fromXmax: String(fromXmax),
      toXmax: String(this.#xmax),
      through: isLast ? position.through : (chain.previous?.through ?? chain.description.startedAt),
      firstCommitAt: tally.firstCommitAt,
      lastCommitAt: tally.lastCommitAt,
      transactions: tally.transactions,
      changes: tally.changes,
      serverVersion: identity.serverVersion,
      encoding: copyEncoding(identity.serverEncoding),
      settings: { ...outputSettings },
      encryption: recipients.length === 0 ? { scheme: 'none' } : { scheme: 'age', recipients },
      objects: [...objects],
      tables: tally.tables.map((table) => ({ ...table })),
      uncovered: findUncovered(tally.tables, state),
      ...(isLast || chain.previous === undefined ? this.#now : pickState(chain.previous)),
      barrier: isLast ? this.#findBarrier() : null,
    };
  }

  #findBarrier(): string | null {
    const { previous } = this.#run.chain;
    if (previous === undefined) return null;
    const rewritten = findRewritten(this.#run.state, previous.filenodes, this.#truncated).map(qualifiedName);
    const reasons = [
      ...(previous.definitions === this.#now.definitions ? [] : ['definitions were changed']),
      ...(rewritten.length === 0 ? [] : [`${rewritten.slice(0, 5).join(', ')} was written anew`]),
    ];
    return reasons.length === 0 ? null : reasons.join('; ');
  }
}

function pickState({
  definitions,
  filenodes,
  sequences,
}: Segment): Pick<Segment, 'definitions' | 'filenodes' | 'sequences'> {
  return { definitions, filenodes, sequences };
}
