import { parseTables, type TableName } from '../../postgres/decoding/test-decoding.ts';
import { TableStatements } from './statements.ts';
import { decodeName, type ReplayTable } from './tables.ts';
import type { Skipped } from './tally.ts';

/** A table that a change is applied to */
export interface Effect {
  readonly table: ReplayTable;
  readonly statements: TableStatements;
  /** Whether foreign keys of the target are active */
  readonly cascades: boolean;
  /** Its name, for people */
  readonly what: string;
}

/** Where one decoded change goes: tables to apply it to, tables that skip it */
export interface Route {
  readonly effects: readonly Effect[];
  readonly skipped: readonly Skipped[];
}

/** Decides where the changes of each table go. */
export class ReplayTables {
  readonly #effects = new Map<string, Effect>();
  readonly #skipped = new Map<string, Skipped>();
  /** Partitioned tables have no rows of their own: a TRUNCATE of one names its partitions, too. */
  readonly #partitioned: ReadonlySet<string>;
  /** By the names as the source wrote them */
  readonly #routes = new Map<string, Route>();
  /** By the table that rows are written to: its partitions, or itself */
  readonly #parts: ReadonlyMap<string, readonly Effect[]>;

  /** @param replica whether triggers and foreign keys are off */
  constructor(
    { tables, partitioned }: { tables: readonly ReplayTable[]; partitioned: readonly TableName[] },
    uncovered: readonly TableName[],
    replica: boolean,
  ) {
    for (const [index, table] of tables.entries()) {
      const statements = new TableStatements(table, `t${index}`);
      const { schema, name } = table.entry;
      this.#effects.set(identify(table.entry), {
        ...{ table, statements, cascades: table.present && !replica },
        what: `table ${schema}.${name}`,
      });
    }
    for (const { schema, name } of uncovered) {
      this.#skipped.set(identify({ schema, name }), { schema, name, because: 'uncovered' });
    }
    this.#partitioned = new Set(partitioned.map(identify));
    this.#parts = Map.groupBy(this.#effects.values(), ({ table }) => table.into);
  }

  /** @param tables as the source wrote them, each byte as one character */
  route(tables: string): Route {
    const known = this.#routes.get(tables);
    if (known !== undefined) return known;
    const route: { effects: Effect[]; skipped: Skipped[] } = { effects: [], skipped: [] };
    for (const raw of parseTables(tables)) {
      const table = { schema: decodeName(raw.schema), name: decodeName(raw.name) };
      const key = identify(table);
      const effect = this.#effects.get(key);
      if (this.#partitioned.has(key)) continue;
      if (effect !== undefined && !this.#skipped.has(key)) route.effects.push(effect);
      else route.skipped.push(this.#skip(key, table));
    }
    this.#routes.set(tables, route);
    return route;
  }

  /**
   * Checks that a TRUNCATE empties all partitions of a table, because rows that go through the partitioned
   * table may be in another partition than in the source.
   *
   * @throws Error when it empties only some of them
   */
  checkEmptied({ effects }: Route): void {
    for (const { table } of effects) {
      const parts = this.#parts.get(table.into) ?? [];
      if (parts.some((part) => !effects.includes(part))) {
        throw new Error(`not all of ${table.into}, whose rows may be in other partitions here`);
      }
    }
  }

  #skip(key: string, table: TableName): Skipped {
    const skipped = this.#skipped.get(key) ?? { ...table, because: 'elsewhere' };
    this.#skipped.set(key, skipped);
    return skipped;
  }
}

function identify({ schema, name }: TableName): string {
  return JSON.stringify([schema, name]);
}
