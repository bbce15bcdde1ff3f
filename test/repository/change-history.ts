import fc from 'fast-check';
import type { RecoveryBase } from '../../src/repository/changes/recoverable.ts';
import type { Segment } from '../../src/repository/changes/segments.ts';
import { formatTimestamp } from '../../src/values/timestamp.ts';
import { chain, makeSegment } from './changes-example.ts';
import { makeManifest } from './example.ts';

/* A source that is simulated: transactions, definitions that change, backups, captures, and chains that break. */

export interface Transaction {
  readonly xid: bigint;
  /** Position of the end of its commit record */
  readonly at: bigint;
  /** Microseconds */
  readonly time: bigint;
  readonly isDefinition: boolean;
}

export interface History {
  /** In the order of the log */
  readonly committed: readonly Transaction[];
  readonly bases: readonly (RecoveryBase & { readonly sees: ReadonlySet<bigint>; readonly at: bigint })[];
  readonly segments: readonly Segment[];
  /** The clock at the end */
  readonly end: bigint;
}

const steps = [
  'begin',
  'commit',
  'record',
  'end',
  'define',
  'backup',
  'capture',
  'capture in two',
  'break',
  'wait',
] as const;
export type Step = { readonly what: (typeof steps)[number]; readonly number: number };

export const anySteps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    what: fc.oneof(
      { arbitrary: fc.constantFrom('begin' as const, 'commit' as const, 'record' as const), weight: 4 },
      { arbitrary: fc.constantFrom('capture' as const, 'backup' as const), weight: 4 },
      { arbitrary: fc.constantFrom(...steps), weight: 2 },
    ),
    number: fc.nat(20),
  }),
  { maxLength: 60 },
);

const beginning = BigInt(Date.parse('2026-11-20T00:00:00Z')) * 1000n;

/** Runs the steps on a source that captures from its beginning on. */
export function simulate(taken: readonly Step[]): History {
  const committed: Transaction[] = [];
  const bases: History['bases'][number][] = [];
  const segments: Segment[] = [];
  let [clock, position, next, version, chains] = [beginning, 16n, 1000n, 0, 0];
  let running: bigint[] = [];
  let head: { from: bigint; fromXmax: bigint; previous: Segment | undefined; chain: Segment['chain'] };

  const define = () => version.toString(16).padStart(64, '0');
  const lsn = (value: bigint) => `0/${value.toString(16).toUpperCase()}`;
  /** The record of a commit is in the log before snapshots see the transaction. */
  const record = (xid: bigint, isDefinition = false) => {
    position += 8n;
    clock += 1n;
    committed.push({ xid, at: position, time: clock, isDefinition });
  };
  const isRecorded = (xid: bigint) => committed.some((one) => one.xid === xid);
  const end = (xid: bigint | undefined) => {
    running = running.filter((other) => other !== xid);
  };
  const commit = (xid: bigint) => {
    if (!isRecorded(xid)) record(xid);
    end(xid);
  };
  const pick = (xids: readonly bigint[], number: number) => xids[number % Math.max(1, xids.length)];
  const begin = () => {
    // A slot waits for the transactions that are running.
    for (const xid of [...running]) commit(xid);
    chains++;
    const id = `20261120T000000Z-${String(chains).padStart(4, '0')}`;
    const because = chains === 1 ? null : `chain ${chains - 1} was lost`;
    head = { from: position, fromXmax: next, previous: undefined, chain: { ...chain, id, because } };
  };
  const capture = (isDivided: boolean) => {
    const through = formatTimestamp(clock);
    clock += 1n;
    position += 8n;
    const middle = committed.filter(({ at }) => at > head.from).at(0)?.at;
    if (isDivided && middle !== undefined && head.previous !== undefined) {
      const { through: earlier, definitions } = head.previous;
      store({ to: middle, through: earlier, definitions, barrier: null });
    }
    const changed = head.previous !== undefined && head.previous.definitions !== define();
    const barrier = changed ? `definitions became ${version}` : null;
    const last = store({ to: position, through, definitions: define(), barrier });
    head = { ...head, previous: last };
  };
  const store = ({
    to,
    ...rest
  }: { to: bigint } & Pick<Segment, 'through' | 'definitions' | 'barrier'>): Segment => {
    const segment = makeSegment({
      ...rest,
      chain: head.chain,
      from: lsn(head.from),
      to: lsn(to),
      fromXmax: String(head.fromXmax),
      toXmax: String(next),
    });
    segments.push(segment);
    head = { ...head, from: to, fromXmax: next };
    return segment;
  };

  begin();
  for (const { what, number } of taken) {
    clock += 1n;
    switch (what) {
      case 'begin':
        running.push(next++);
        break;
      case 'commit':
      case 'record': {
        const xid = pick(running, number);
        if (xid !== undefined && what === 'commit') commit(xid);
        else if (xid !== undefined && !isRecorded(xid)) record(xid);
        break;
      }
      case 'end':
        end(pick(running.filter(isRecorded), number));
        break;
      case 'define':
        version++;
        record(next++, true);
        break;
      case 'backup': {
        // They are in the order of their numbers.
        const xmin = running[0] ?? next;
        const snapshot = `${xmin}:${next}:${running.filter((xid) => xid >= xmin).join(',')}`;
        const sees = new Set(committed.map(({ xid }) => xid).filter((xid) => !running.includes(xid)));
        clock += 1n;
        bases.push({
          id: `20261120T000001Z-${String(bases.length).padStart(4, '0')}`,
          kind: number % 5 === 0 ? 'incremental' : 'full',
          source: {
            ...makeManifest().source,
            snapshot,
            lsn: lsn(position),
            snapshotAt: formatTimestamp(clock),
            definitions: define(),
          },
          sees,
          at: position,
        });
        break;
      }
      case 'capture':
      case 'capture in two':
        capture(what === 'capture in two');
        break;
      case 'break':
        begin();
        break;
      case 'wait':
        clock += BigInt(number);
        break;
    }
  }
  return { committed, bases, segments, end: clock };
}
