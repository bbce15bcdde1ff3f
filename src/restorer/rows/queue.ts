import type { TableEntry, TableRange } from '../../format/manifest.ts';
import { Heap } from '../../runtime/heap.ts';
import { append } from '../../runtime/lists.ts';

/** One range of rows to load, as one COPY. */
export interface RangeJob {
  readonly table: TableEntry;
  readonly range: TableRange;
}

/** What one worker loads in one go. */
export interface LoadJob {
  readonly jobs: readonly RangeJob[];
  /**
   * Set when the jobs are a whole table, which no other worker loads. It can be loaded in one transaction
   * with COPY FREEZE, so that index builds and first reads need not write every page again, and the table
   * needs no first vacuum (PostgreSQL manual, COPY).
   */
  readonly whole: TableEntry | undefined;
}

/**
 * A table that exceeds its fair share of all bytes by this factor would finish last, so several workers load
 * it.
 */
const shareSlack = 1.25;

/**
 * Bytes of the smallest table that is frozen: truncating a table costs more than freezing a smaller one
 * saves.
 */
const worthFreezing = 1024 * 1024;

/**
 * Hands out the parts to load. The ranges of a table go in their order and, as long as there are other
 * tables, to one worker at a time: rows then lie as they lay in the source, which speeds up index builds and
 * later reads, and sessions do not wait for each other to extend the same file. Ranges that share an object
 * stay together, so that it is fetched once.
 */
export class LoadQueue {
  /** Those that no worker is on; that with the most bytes left goes first */
  readonly #idle: Heap<LoadLane>;
  /** Those that a worker is on, and that have parts left: as many as workers at most */
  readonly #busy = new Set<LoadLane>();
  #length: number;

  constructor(tables: readonly TableEntry[], workers: number) {
    const fairShare = tables.reduce((sum, table) => sum + table.bytes, 0) / workers;
    const lanes: LoadLane[] = [];
    const shared = new Map<number, RangeJob[]>();
    for (const table of tables) {
      const jobs = table.ranges
        .map((range) => ({ table, range }))
        .filter(({ range }) => range.pieces.length > 0);
      const object = jobs[0]?.range.pieces[0]?.object;
      if (object === undefined) continue;
      // A partitioned table takes no FREEZE.
      if (table.root === null && table.bytes >= worthFreezing && table.bytes <= fairShare * shareSlack) {
        lanes.push(new LoadLane([{ jobs, whole: table }], table));
      } else if (jobs.length > 1) {
        lanes.push(
          new LoadLane(
            gatherByObject(jobs).map((together) => ({ jobs: together, whole: undefined })),
            table,
          ),
        );
      } else {
        const together = shared.get(object);
        if (together === undefined) shared.set(object, jobs);
        else append(together, jobs);
      }
    }
    for (const jobs of shared.values()) lanes.push(new LoadLane([{ jobs, whole: undefined }], undefined));
    this.#idle = new Heap((one, other) => other.bytes - one.bytes, lanes);
    this.#length = lanes.reduce((sum, lane) => sum + lane.left, 0);
  }

  /** How many parts are left. */
  get length(): number {
    return this.#length;
  }

  /** The parts that come next, as far as this is known before a worker takes them. */
  *upcoming(): Generator<LoadJob> {
    for (const { next } of this.#idle.inOrder()) if (next !== undefined) yield next;
  }

  /**
   * Runs `load` on one part after another until none is left, and `loaded` after the last part of a large
   * table. Several workers may drain the queue at once.
   */
  async drain(
    load: (part: LoadJob) => Promise<void>,
    loaded: (table: TableEntry) => Promise<void>,
  ): Promise<void> {
    for (;;) {
      const lane = this.#idle.take() ?? this.#chooseBusy();
      const part = lane?.take();
      if (!lane || !part) return;
      this.#length--;
      if (lane.left > 0) this.#busy.add(lane);
      else this.#busy.delete(lane);
      lane.active++;
      // Two workers may end at once, and one of them is the last.
      let isLast = false;
      await load(part).finally(() => {
        isLast = this.#leave(lane);
      });
      if (lane.table && isLast) await loaded(lane.table);
    }
  }

  /** The lane with the fewest workers on it; among equals, that with the most bytes left. */
  #chooseBusy(): LoadLane | undefined {
    let best: LoadLane | undefined;
    for (const lane of this.#busy) {
      if (!best || lane.active < best.active || (lane.active === best.active && lane.bytes > best.bytes))
        best = lane;
    }
    return best;
  }

  /**
   * Takes a worker off a lane, and puts the lane back among the idle ones if it was the last.
   *
   * @returns whether the lane is done
   */
  #leave(lane: LoadLane): boolean {
    lane.active--;
    if (lane.active > 0) return false;
    if (this.#busy.delete(lane)) this.#idle.add(lane);
    return lane.left === 0;
  }
}

/** Groups consecutive ranges that begin in the same object, so that it is fetched once. */
function gatherByObject(jobs: readonly RangeJob[]): RangeJob[][] {
  const groups: RangeJob[][] = [];
  let last: number | undefined;
  for (const job of jobs) {
    const object = job.range.pieces[0]?.object;
    if (object === last) groups.at(-1)?.push(job);
    else groups.push([job]);
    last = object;
  }
  return groups;
}

/** The parts that are left of a table, or of the small tables in one object. */
class LoadLane {
  /** The next one last */
  readonly #parts: LoadJob[];
  /** undefined for small tables */
  readonly table: TableEntry | undefined;
  /** bytes still to be handed out */
  bytes: number;
  /** workers on it */
  active = 0;

  constructor(parts: readonly LoadJob[], table: TableEntry | undefined) {
    this.#parts = parts.toReversed();
    this.table = table;
    this.bytes = sumBytes(parts.flatMap((part) => part.jobs));
  }

  /** How many parts are left. */
  get left(): number {
    return this.#parts.length;
  }

  get next(): LoadJob | undefined {
    return this.#parts.at(-1);
  }

  take(): LoadJob | undefined {
    const part = this.#parts.pop();
    if (part !== undefined) this.bytes -= sumBytes(part.jobs);
    return part;
  }
}

export function sumBytes(jobs: readonly RangeJob[]): number {
  return jobs.flatMap(({ range }) => range.pieces).reduce((sum, piece) => sum + piece.length, 0);
}
