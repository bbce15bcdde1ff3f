import { type ColumnValue, unchanged, type Value } from '../../postgres/decoding/test-decoding.ts';
import { quoteIdentifier } from '../../postgres/identifier.ts';
import type { PreparedStatement } from '../../postgres/wire/pipeline.ts';
import { decodeName, type KeyColumn, type ReplayTable, type RowKey, type TargetColumn } from './tables.ts';

/** A statement, and the values of its parameters */
export interface Execution {
  readonly statement: PreparedStatement;
  readonly values: readonly Value[];
}

type Row = readonly ColumnValue[];

/** The columns of a table's decoded rows, in their order */
interface Layout {
  readonly names: readonly string[];
  /** undefined for a column that is not written, because it is generated or the target lacks it */
  readonly columns: readonly (TargetColumn | undefined)[];
}

/** How to find the row that a change is about */
type Way =
  | { readonly kind: 'key'; readonly key: RowKey; readonly from: Row }
  | { readonly kind: 'whole'; readonly old: Row };

/**
 * Turns the changes of one table into statements that each touch exactly one row. There are few different
 * ones, so that the server has already prepared nearly all of them.
 *
 * Every method throws an Error with the reason when a change cannot be turned into a statement.
 */
export class TableStatements {
  readonly #table: ReplayTable;
  readonly #name: string;
  readonly #statements = new Map<string, PreparedStatement>();
  /** Columns whose values identify a row, where no key does */
  readonly #compared: readonly (readonly [string, TargetColumn])[];
  #layout: Layout = { names: [], columns: [] };

  /** @param name begins the names of the statements; no other table has it */
  constructor(table: ReplayTable, name: string) {
    this.#table = table;
    this.#name = name;
    const copied = new Set(table.entry.columns);
    this.#compared = [...table.columns].filter(([, column]) => copied.has(column.name));
  }

  insert(row: Row): Execution {
    const { columns } = this.#follow(row);
    const values: Value[] = [];
    for (let index = 0; index < row.length; index++) {
      if (columns[index] !== undefined) values.push(known(row[index]));
    }
    const statement = this.#prepare('i', () => {
      const written = columns.filter((column) => column !== undefined);
      if (written.length === 0) return `INSERT INTO ${this.#table.into} DEFAULT VALUES`;
      return `INSERT INTO ${this.#table.into} (${list(written)}) OVERRIDING SYSTEM VALUE VALUES (${written.map((_, index) => `$${index + 1}`).join(', ')})`;
    });
    return { statement, values };
  }

  /** @param old what the source wrote of the old row; undefined when its key is that of `row` */
  update(old: Row | undefined, row: Row): Execution {
    const { columns } = this.#follow(row);
    const way = this.#findWay(old, row);
    const values: Value[] = [];
    // One letter for each column: set, left as it is, or not written at all
    let shape = '';
    let moves = false;
    for (let index = 0; index < row.length; index++) {
      const column = columns[index];
      const { name = '', value = null } = row[index] ?? {};
      if (column === undefined) shape += '-';
      else if (value === unchanged || isSame(way, old, column, name, value)) shape += 'u';
      else {
        shape += 's';
        values.push(value);
        // Only an INSERT can set a column that is GENERATED ALWAYS AS IDENTITY.
        if (column.always) moves = true;
      }
    }
    const set = values.length;
    const find = this.#pushWay(way, values);
    const statement = this.#prepare(`u${moves ? 'm' : ''}${find.shape}${shape}`, () => {
      const written = columns.filter((_, index) => shape[index] === 's') as TargetColumn[];
      const found = find.write(set);
      if (moves) return this.#writeMove(columns, shape, found);
      if (set === 0)
        return `SELECT FROM ${[`${this.#table.only} AS t`, ...found.from].join(', ')} WHERE ${found.where}`;
      const assigned = written.map(({ name }, index) => `${quoteIdentifier(name)} = $${index + 1}`);
      const from = found.from.map((source) => ` FROM ${source}`).join('');
      return `UPDATE ${this.#table.only} AS t SET ${assigned.join(', ')}${from} WHERE ${found.where}`;
    });
    return { statement, values };
  }

  /** @param old what the source wrote of the row; undefined when it wrote nothing */
  delete(old: Row | undefined): Execution {
    const way = this.#findWay(old, undefined);
    const values: Value[] = [];
    const find = this.#pushWay(way, values);
    const statement = this.#prepare(`d${find.shape}`, () => this.#writeDelete(find.write(0)));
    return { statement, values };
  }

  /** Empties the table. In a table that was there before, a DELETE touches nothing else. */
  truncate(): Execution {
    const { present, only } = this.#table;
    const statement = this.#prepare('t', () => (present ? `DELETE FROM ${only}` : `TRUNCATE ${only}`));
    return { statement, values: [] };
  }

  #prepare(shape: string, write: () => string): PreparedStatement {
    const made = this.#statements.get(shape);
    if (made !== undefined) return made;
    const statement = { name: `${this.#name}_${this.#statements.size}`, sql: write() };
    this.#statements.set(shape, statement);
    return statement;
  }

  /** Returns the layout of a row, which has to be that of the row before. */
  #follow(row: Row): Layout {
    const { names } = this.#layout;
    if (names.length === row.length && row.every(({ name }, index) => name === names[index]))
      return this.#layout;
    if (names.length > 0) throw new Error('its columns were changed');
    const columns = row.map(({ name }) => {
      const column = this.#table.columns.get(name);
      if (column === undefined && !this.#table.missing.has(name)) {
        throw new Error(`the target has no column ${decodeName(name)}`);
      }
      return column?.generated ? undefined : column;
    });
    this.#layout = { names: row.map(({ name }) => name), columns };
    return this.#layout;
  }

  #findWay(old: Row | undefined, row: Row | undefined): Way {
    const { keys, full, present } = this.#table;
    if (old !== undefined) {
      const key = keys.find(({ columns }) => columns.every(({ name }) => find(old, name) !== undefined));
      if (key !== undefined) return { kind: 'key', key, from: old };
      if (full) return { kind: 'whole', old };
    } else if (row !== undefined && keys[0] !== undefined && (keys[0].identity || present)) {
      return { kind: 'key', key: keys[0], from: row };
    }
    throw new Error('the source does not say which row it is');
  }

  /** Adds the values that a way needs, and returns its shape and a function that writes its condition. */
  #pushWay(
    way: Way,
    values: Value[],
  ): { shape: string; write: (before: number) => { from: string[]; where: string } } {
    if (way.kind === 'key') {
      for (const { name } of way.key.columns) values.push(known(find(way.from, name)));
      const shape = `k${this.#table.keys.indexOf(way.key)}`;
      return { shape, write: (before) => ({ from: [], where: writeKey(way.key, before) }) };
    }
    for (const [name] of this.#compared) {
      const column = find(way.old, name);
      values.push(column === undefined ? null : known(column));
    }
    const { lookup } = this.#table;
    const looked = lookup !== undefined && find(way.old, lookup.name) !== undefined ? lookup : undefined;
    return {
      shape: looked === undefined ? 'w' : 'l',
      write: (before) => this.#writeWhole(looked, before),
    };
  }

  /**
   * Finds a row by the texts of its values: some types have no equality, and others take different values for
   * equal. Of several equal rows it finds one.
   */
  #writeWhole(lookup: KeyColumn | undefined, before: number): { from: string[]; where: string } {
    const conditions = this.#compared.flatMap(([key, { name, type }], index) => {
      const [column, value] = [`t.${quoteIdentifier(name)}`, `$${before + index + 1}::${type}`];
      const same = `${column}::text COLLATE pg_catalog."C" IS NOT DISTINCT FROM ${value}::text`;
      return lookup?.name === key ? [`${column} ${lookup.operator} ${value}`, same] : [same];
    });
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
    return {
      from: [
        `(SELECT t.tableoid AS part, t.ctid AS place FROM ${this.#table.only} AS t${where} LIMIT 1) AS found`,
      ],
      where: 't.tableoid = found.part AND t.ctid = found.place',
    };
  }

  #writeDelete({ from, where }: { from: string[]; where: string }): string {
    const using = from.map((source) => ` USING ${source}`).join('');
    return `DELETE FROM ${this.#table.only} AS t${using} WHERE ${where}`;
  }

  /** Writes an update as a DELETE and an INSERT. */
  #writeMove(columns: Layout['columns'], shape: string, found: { from: string[]; where: string }): string {
    let parameter = 0;
    const written: TargetColumn[] = [];
    const sources: string[] = [];
    for (const [index, column] of columns.entries()) {
      if (column === undefined) continue;
      written.push(column);
      sources.push(
        shape[index] === 's' ? `$${++parameter}::${column.type}` : `gone.${quoteIdentifier(column.name)}`,
      );
    }
    return `WITH gone AS (${this.#writeDelete(found)} RETURNING t.*) INSERT INTO ${this.#table.into} (${list(written)})
      OVERRIDING SYSTEM VALUE SELECT ${sources.join(', ')} FROM gone`;
  }
}

/**
 * Whether a value is known to be unchanged: it is of the key, and the source wrote no old row; or its column
 * cannot be updated, and the old row has the same value.
 */
function isSame(
  way: Way,
  old: Row | undefined,
  { always }: TargetColumn,
  name: string,
  value: Value,
): boolean {
  if (old !== undefined) return always && find(old, name)?.value === value;
  return way.kind === 'key' && way.key.columns.some((column) => column.name === name);
}

function find(row: Row, name: string): ColumnValue | undefined {
  for (const column of row) if (column.name === name) return column;
  return undefined;
}

function known(column: ColumnValue | undefined): Value {
  if (column === undefined || column.value === unchanged)
    throw new Error('a value that it needs is not in the log');
  return column.value;
}

function writeKey({ columns }: RowKey, before: number): string {
  return columns
    .map(
      ({ name, operator }, index) =>
        `t.${quoteIdentifier(decodeName(name))} ${operator} $${before + index + 1}`,
    )
    .join(' AND ');
}

function list(columns: readonly TargetColumn[]): string {
  return columns.map(({ name }) => quoteIdentifier(name)).join(', ');
}
