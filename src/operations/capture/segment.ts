import { qualifiedName } from '../../postgres/catalog/tables.ts';
import { copyEncoding, outputSettings } from '../../postgres/session/output-settings.ts';
import type { Segment } from '../../repository/changes/segments.ts';
import type { Repository } from '../../repository/open.ts';
import { toolName, toolVersion } from '../../runtime/version.ts';
import { digestDefinitions } from '../../source/changes/definitions-digest.ts';
import type { ReadChanges } from '../../source/changes/reader.ts';
import { type ChangeState, findRewritten, findUncovered } from '../../source/changes/state.ts';
import { keyOf } from '../../source/changes/tally.ts';
import type { WalPosition } from '../../source/changes/wal-position.ts';
import type { SourceIdentity } from '../../source/identity.ts';
import { parseLsn } from '../../values/lsn.ts';
import type { Chain } from './chain.ts';

/** What all segments of a capture share */
export interface SegmentRun {
  readonly chain: Chain;
  readonly identity: SourceIdentity;
  /** Recipients of the encryption; empty means unencrypted */
  readonly recipients: readonly string[];
}

/** The end of a part of a capture, and the state of the database a moment later. */
interface End {
  readonly position: WalPosition;
  readonly state: ChangeState;
}

type Recorded = Pick<Segment, 'definitions' | 'filenodes' | 'sequences'>;

/**
 * Makes the headers of a capture's segments, one after another. The last header states until when the capture
 * is complete, and the state of the database then. Earlier headers repeat what the previous capture stated,
 * because the state at their end was not read.
 */
export class SegmentAssembly {
  readonly #repository: Repository;
  readonly #run: SegmentRun;
  readonly #truncated = new Set<string>();
  #xmax: bigint;
  /** Whether the last segment is made */
  isComplete = false;

  constructor(repository: Repository, run: SegmentRun) {
    this.#repository = repository;
    this.#run = run;
    this.#xmax = run.chain.fromXmax;
  }

  /**
   * @param mayGoOn whether more can be read when a table was rewritten and nothing says why: a TRUNCATE
   *   between the position and the state of `end` comes next in the log
   */
  assemble(from: string, { to, objects, tally }: ReadChanges, end: End, mayGoOn: boolean): Segment {
    const { chain, identity, recipients } = this.#run;
    for (const table of tally.tables) if (table.truncates > 0) this.#truncated.add(keyOf(table));
    const fromXmax = this.#xmax;
    // A commit may be in the log before its transaction counts as ended, so the xmax of the snapshot alone
    // may be too low.
    for (const xid of [end.position.xmax, tally.highestXid + 1n]) if (xid > this.#xmax) this.#xmax = xid;
    const rewritten = this.#findRewritten(end);
    const isAtEnd = parseLsn(to) >= parseLsn(end.position.lsn);
    this.isComplete = isAtEnd && (rewritten.length === 0 || !mayGoOn);
    const recorded =
      this.isComplete || chain.previous === undefined ? this.#describe(end.state) : pickState(chain.previous);
    return {
      format: 1,
      tool: { name: toolName, version: toolVersion },
      chain: chain.description,
      from,
      to,
      fromXmax: String(fromXmax),
      toXmax: String(this.#xmax),
      through: this.isComplete
        ? end.position.through
        : (chain.previous?.through ?? chain.description.startedAt),
      firstCommitAt: tally.firstCommitAt,
      lastCommitAt: tally.lastCommitAt,
      transactions: tally.transactions,
      changes: tally.changes,
      serverVersion: identity.serverVersion,
      encoding: copyEncoding(identity.serverEncoding),
      settings: { ...outputSettings },
      encryption:
        recipients.length === 0 ? { scheme: 'none' } : { scheme: 'age', recipients: [...recipients] },
      objects: [...objects],
      tables: tally.tables.map((table) => ({ ...table })),
      uncovered: findUncovered(tally.tables, end.state),
      ...recorded,
      barrier: this.isComplete ? this.#findBarrier(recorded, rewritten) : null,
    };
  }

  #describe({ definitions, tables, sequences }: ChangeState): Recorded {
    return {
      definitions: digestDefinitions(this.#repository, definitions, tables),
      filenodes: Object.fromEntries(tables.map(({ oid, relfilenode }) => [oid, relfilenode])),
      sequences: sequences.map(({ schema, name, lastValue, isCalled }) => {
        return { schema, name, lastValue, isCalled, latest: null };
      }),
    };
  }

  #findRewritten({ state }: End): string[] {
    const { previous } = this.#run.chain;
    return previous === undefined
      ? []
      : findRewritten(state, previous.filenodes, this.#truncated).map(qualifiedName);
  }

  #findBarrier(now: Recorded, rewritten: readonly string[]): string | null {
    const { previous } = this.#run.chain;
    if (previous === undefined) return null;
    const reasons = [
      ...(previous.definitions === now.definitions ? [] : ['definitions were changed']),
      ...(rewritten.length === 0 ? [] : [`${rewritten.slice(0, 5).join(', ')} was written anew`]),
    ];
    return reasons.length === 0 ? null : reasons.join('; ');
  }
}

function pickState({ definitions, filenodes, sequences }: Segment): Recorded {
  return { definitions, filenodes, sequences };
}
