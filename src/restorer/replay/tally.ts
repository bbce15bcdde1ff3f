import type { TableEntry } from '../../format/manifest.ts';
import type { TableChanges } from '../../parity/scope.ts';
import type { TableName } from '../../postgres/decoding/test-decoding.ts';
import { assertNever } from '../../runtime/errors.ts';
import { formatTimestamp } from '../../values/timestamp.ts';

export type ChangeKind = 'insert' | 'update' | 'delete' | 'truncate';

/** A table whose changes were skipped, and how many. */
export interface SkippedTable extends TableName {
  readonly changes: number;
}

/** A table whose changes are skipped, and why. */
export interface Skipped extends TableName {
  readonly because: 'uncovered' | 'elsewhere';
}

interface Counts {
  transactions: number;
  changes: number;
  /** microseconds since 1970 */
  lastCommitAt: bigint | undefined;
  /** By oid */
  readonly tables: Map<number, { -readonly [Key in keyof TableChanges]: TableChanges[Key] }>;
  readonly skipped: Map<Skipped, number>;
}

/** Counts what a replay does. Counts that are not committed can be rolled back. */
export class ReplayTally {
  readonly #done: Counts = createCounts();
  /**
   * Counts of the open transaction; tables as they will be after its commit, and only those that it touches
   */
  #open: Counts = createCounts();

  count({ oid, rows }: TableEntry, kind: ChangeKind): void {
    const open = this.#open;
    let table = open.tables.get(oid);
    if (table === undefined) {
      const before = this.#done.tables.get(oid);
      table = before ? { ...before } : { inserts: 0, updates: 0, deletes: 0, truncates: 0, rows };
      open.tables.set(oid, table);
    }
    open.changes++;
    switch (kind) {
      case 'insert':
        table.inserts++;
        table.rows++;
        break;
      case 'update':
        table.updates++;
        break;
      case 'delete':
        table.deletes++;
        table.rows--;
        break;
      case 'truncate':
        table.truncates++;
        table.rows = 0;
        break;
      default:
        assertNever(kind);
    }
  }

  /** @param table always the same object for the same table */
  skip(table: Skipped): void {
    const { skipped } = this.#open;
    skipped.set(table, (skipped.get(table) ?? this.#done.skipped.get(table) ?? 0) + 1);
  }

  /** @param at microseconds since 1970 */
  endTransaction(at: bigint): void {
    this.#open.transactions++;
    this.#open.lastCommitAt = at;
  }

  commit(): void {
    const [done, open] = [this.#done, this.#open];
    done.transactions += open.transactions;
    done.changes += open.changes;
    done.lastCommitAt = open.lastCommitAt ?? done.lastCommitAt;
    for (const [oid, table] of open.tables) done.tables.set(oid, table);
    for (const [table, changes] of open.skipped) done.skipped.set(table, changes);
    this.#open = createCounts();
  }

  rollback(): void {
    this.#open = createCounts();
  }

  /** The counts of all committed changes. */
  sum(): {
    transactions: number;
    changes: number;
    lastCommitAt: string | null;
    tables: ReadonlyMap<number, TableChanges>;
    uncovered: SkippedTable[];
    elsewhere: SkippedTable[];
  } {
    const { transactions, changes, lastCommitAt, tables, skipped } = this.#done;
    const list = (because: Skipped['because']) =>
      [...skipped]
        .filter(([table]) => table.because === because)
        .map(([{ schema, name }, count]) => ({ schema, name, changes: count }));
    return {
      ...{ transactions, changes, tables },
      lastCommitAt: lastCommitAt === undefined ? null : formatTimestamp(lastCommitAt),
      uncovered: list('uncovered'),
      elsewhere: list('elsewhere'),
    };
  }
}

function createCounts(): Counts {
  return { transactions: 0, changes: 0, lastCommitAt: undefined, tables: new Map(), skipped: new Map() };
}
