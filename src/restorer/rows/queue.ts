import type { TableEntry, TableRange } from '../../format/manifest.ts';

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
  readonly #lanes: LoadLane[];

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
        shared.set(object, [...(shared.get(object) ?? []), ...jobs]);
      }
    }
    for (const jobs of shared.values()) lanes.push(new LoadLane([{ jobs, whole: undefined }], undefined));
    this.#lanes = lanes.sort((one, other) => other.bytes - one.bytes);
  }

  /** How many parts are left. */
  get length(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.parts.length, 0);
  }

  /** The parts that come next, as far as this is known before a worker takes them. */
  *upcoming(): Generator<LoadJob> {
    for (const { active, parts } of this.#lanes) if (active === 0 && parts[0] !== undefined) yield parts[0];
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
      const lane = this.#choose();
      const part = lane?.parts.shift();
      if (!lane || !part) return;
      if (lane.parts.length === 0) this.#lanes.splice(this.#lanes.indexOf(lane), 1);
      lane.active++;
      lane.bytes -= sumBytes(part.jobs);
      await load(part).finally(() => lane.active--);
      if (lane.table && lane.parts.length === 0 && lane.active === 0) await loaded(lane.table);
    }
  }

  /** The parts with the fewest workers on them; among equals, those with the most bytes left. */
  #choose(): LoadLane | undefined {
    let best = this.#lanes[0];
    for (const lane of this.#lanes) {
      if (!best || lane.active < best.active || (lane.active === best.active && lane.bytes > best.bytes))
        best = lane;
    }
    return best;
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
  readonly parts: LoadJob[];
  /** undefined for small tables */
  readonly table: TableEntry | undefined;
  /** bytes still to be handed out */
  bytes: number;
  /** workers on it */
  active = 0;

  constructor(parts: LoadJob[], table: TableEntry | undefined) {
    this.parts = parts;
    this.table = table;
    this.bytes = sumBytes(parts.flatMap((part) => part.jobs));
  }
}

export function sumBytes(jobs: readonly RangeJob[]): number {
  return jobs.flatMap(({ range }) => range.pieces).reduce((sum, piece) => sum + piece.length, 0);
}
