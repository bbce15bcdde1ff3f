import { IntegrityError } from '../../runtime/errors.ts';
import { parseTimestamp } from '../../values/timestamp.ts';
import { markOf } from './decoded-rows.ts';

/*
 * Parses the output of the plugin test_decoding with include-xids and include-timestamp: one text for each
 * changed row, and one where a transaction begins and where it commits. contrib/test_decoding/test_decoding.c
 * is the authority. The parser accepts exactly what that code writes: any other text is an error, never a
 * guess.
 */

/** Stands for a value stored out of line (TOAST) that did not change: the log does not hold it. */
export const unchanged = Symbol('unchanged');

export interface ColumnValue {
  readonly name: string;
  /** As the type's input function takes it; a Buffer when it is too long for a string. */
  readonly value: Value | typeof unchanged;
}

export type Value = string | Buffer | null;

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

export type Change =
  | { readonly kind: 'begin'; readonly xid: number }
  /** `at`: microseconds since 1970 */
  | { readonly kind: 'commit'; readonly xid: number; readonly at: bigint }
  | { readonly kind: 'insert'; readonly table: TableName; readonly row: readonly ColumnValue[] }
  | {
      readonly kind: 'update';
      readonly table: TableName;
      /** The old row's identifying columns without nulls; undefined when the key of `row` identifies it. */
      readonly old: readonly ColumnValue[] | undefined;
      readonly row: readonly ColumnValue[];
    }
  /** `old` as for an update; undefined when nothing identifies the row. */
  | {
      readonly kind: 'delete';
      readonly table: TableName;
      readonly old: readonly ColumnValue[] | undefined;
    }
  | {
      readonly kind: 'truncate';
      readonly tables: readonly TableName[];
      readonly restartSequences: boolean;
      readonly cascade: boolean;
    }
  /** Written by pg_logical_emit_message(), inside a transaction or not; changes no rows. */
  | { readonly kind: 'message' };

/** What the beginning of a text tells. */
export type Head =
  | { readonly kind: 'begin' | 'commit' | 'message' }
  | {
      readonly kind: 'insert' | 'update' | 'delete' | 'truncate';
      /** The table or tables as the server wrote them, for `parseTables`. */
      readonly tables: string;
      /**
       * For an update, whether the text holds the old key: without it the key is unchanged, or the table has
       * none. For a delete, whether the text identifies the row. True for all other kinds.
       */
      readonly hasOld: boolean;
    };

/**
 * Reads the beginning of a text, without its values.
 *
 * @throws IntegrityError when the text has no known form
 */
export function readHead(data: string): Head {
  if (data.startsWith(tableWord)) {
    const end = skipNames(data, tableWord.length);
    const tables = data.slice(tableWord.length, end);
    if (data.startsWith(insertWord, end)) return { kind: 'insert', tables, hasOld: true };
    if (data.startsWith(updateWord, end)) {
      return { kind: 'update', tables, hasOld: data.startsWith(oldKeyWord, end + updateWord.length) };
    }
    if (data.startsWith(deleteWord, end)) {
      return { kind: 'delete', tables, hasOld: !data.startsWith(noTuple, end + deleteWord.length) };
    }
    if (data.startsWith(truncateWord, end)) return { kind: 'truncate', tables, hasOld: true };
  }
  if (data.startsWith('BEGIN ')) return { kind: 'begin' };
  if (data.startsWith('COMMIT ')) return { kind: 'commit' };
  if (messagePattern.test(data)) return { kind: 'message' };
  throw unknownForm(data);
}

/**
 * Parses the table names in `tables` of a `Head`.
 *
 * @throws IntegrityError when the text has no known form
 */
export function parseTables(text: string): TableName[] {
  const tables: TableName[] = [];
  for (let at = 0; at < text.length; ) {
    const schemaEnd = skipName(text, at);
    const end = skipName(text, schemaEnd + 1);
    if (text[schemaEnd] !== '.' || (end < text.length && !text.startsWith(', ', end))) {
      throw unknownForm(`${tableWord}${text}`);
    }
    tables.push({
      schema: unquote(text.slice(at, schemaEnd)),
      name: unquote(text.slice(schemaEnd + 1, end)),
    });
    at = end + 2;
  }
  return tables;
}

/**
 * Parses a whole text.
 *
 * @param long the values that `data` has marks for: see `markOf`
 * @throws IntegrityError when the text has no known form; the message holds no value of a row
 */
export function parseChange(data: string, long: readonly Buffer[] = []): Change {
  const head = readHead(data);
  switch (head.kind) {
    case 'begin':
      return { kind: 'begin', xid: Number(match(/^BEGIN (\d{1,10})$/, data)[1]) };
    case 'commit': {
      const [, xid, at = ''] = match(commitPattern, data);
      return { kind: 'commit', xid: Number(xid), at: parseTimestamp(at) };
    }
    case 'message':
      return { kind: 'message' };
    case 'truncate': {
      const flags = data.slice(tableWord.length + head.tables.length + truncateWord.length);
      match(/^ (\(no-flags\)|restart_seqs( cascade)?|cascade)$/, flags, data);
      return {
        kind: 'truncate',
        tables: parseTables(head.tables),
        restartSequences: flags.includes('restart_seqs'),
        cascade: flags.includes('cascade'),
      };
    }
    default:
      return parseRowChange(data, long, head.kind, head.tables);
  }
}

function parseRowChange(
  data: string,
  long: readonly Buffer[],
  kind: 'insert' | 'update' | 'delete',
  tables: string,
): Change {
  const [table, ...others] = parseTables(tables);
  if (table === undefined || others.length > 0) throw unknownForm(data);
  // The words for insert, update and delete have the same length.
  const cursor = new Cursor(data, long, tableWord.length + tables.length + insertWord.length);
  switch (kind) {
    case 'insert':
      return { kind, table, row: cursor.readLastTuple() ?? [] };
    case 'update': {
      const old = cursor.skip(oldKeyWord) ? cursor.readTuple() : undefined;
      if (old !== undefined && !cursor.skip(newTupleWord)) throw unknownForm(data);
      return { kind, table, old, row: cursor.readLastTuple() ?? [] };
    }
    case 'delete':
      return { kind, table, old: cursor.readLastTuple() };
  }
}

const tableWord = 'table ';
const insertWord = ': INSERT:';
const updateWord = ': UPDATE:';
const deleteWord = ': DELETE:';
const truncateWord = ': TRUNCATE:';
const oldKeyWord = ' old-key:';
const newTupleWord = ' new-tuple:';
const noTuple = ' (no-tuple-data)';
const commitPattern =
  /^COMMIT (\d{1,10}) \(at (\d{4,6}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?[+-][\d:]{2,8})\)$/;
const messagePattern = /^message: transactional: [01] prefix: [\s\S]*?, sz: \d+ content:/;
/** The output of numeric types, and both values of boolean. */
const barePattern =
  /(?:-?(?:\d[\d.]*(?:e[+-]?\d+)?|Infinity)|NaN|true|false|null|unchanged-toast-datum)(?= |$)/y;
const bareNamePattern = /[a-z_][a-z0-9_]*/y;

/** Reads the columns of a change. Quoted names and types may hold any character, and so may values. */
class Cursor {
  readonly #data: string;
  readonly #long: readonly Buffer[];
  #at: number;
  /** Number of long values read so far. */
  #passed = 0;

  constructor(data: string, long: readonly Buffer[], at: number) {
    this.#data = data;
    this.#long = long;
    this.#at = at;
  }

  skip(word: string): boolean {
    if (!this.#data.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  /** The columns up to the end of the text; undefined when the text says that there are none. */
  readLastTuple(): ColumnValue[] | undefined {
    const columns = this.skip(noTuple) ? undefined : this.readTuple();
    if (this.#at !== this.#data.length) throw unknownForm(this.#data);
    return columns;
  }

  /** The columns up to the end of the text, or up to the word for the new row. */
  readTuple(): ColumnValue[] {
    const columns: ColumnValue[] = [];
    while (this.#at < this.#data.length && !this.#data.startsWith(newTupleWord, this.#at)) {
      this.#expect(' ');
      columns.push({ name: this.#readName(), value: this.#readValue() });
    }
    return columns;
  }

  #readName(): string {
    const from = this.#at;
    this.#at = skipName(this.#data, from);
    const name = unquote(this.#data.slice(from, this.#at));
    this.#expect('[');
    this.#skipType();
    this.#expect(']:');
    return name;
  }

  /** A quoted type name may hold any character; `[]` behind a name makes an array. */
  #skipType(): void {
    for (;;) {
      const character = this.#data[this.#at];
      if (character === '"') this.#at = skipName(this.#data, this.#at);
      else if (character === '[' && this.#data[this.#at + 1] === ']') this.#at += 2;
      else if (character === ']') return;
      else if (character === undefined || character === '[') throw unknownForm(this.#data);
      else this.#at++;
    }
  }

  #readValue(): ColumnValue['value'] {
    const first = this.#data[this.#at];
    if (first === "'") return this.#readQuoted();
    if (first === 'B' && this.#data[this.#at + 1] === "'") {
      this.#at++;
      return this.#readQuoted();
    }
    barePattern.lastIndex = this.#at;
    const [bare] = barePattern.exec(this.#data) ?? [];
    if (bare === undefined) throw unknownForm(this.#data);
    this.#at += bare.length;
    if (bare === 'null') return null;
    return bare === 'unchanged-toast-datum' ? unchanged : bare;
  }

  #readQuoted(): string | Buffer {
    const end = skipQuoted(this.#data, this.#at, "'");
    const value = this.#data.slice(this.#at + 1, end - 1);
    this.#at = end;
    const long = this.#long[this.#passed];
    if (long !== undefined && value === markOf(this.#passed)) {
      this.#passed++;
      return long;
    }
    return value.includes("'") ? value.replaceAll("''", "'") : value;
  }

  #expect(word: string): void {
    if (!this.skip(word)) throw unknownForm(this.#data);
  }
}

/** @returns the end of the name that begins at `at`, as quote_identifier() writes it */
function skipName(text: string, at: number): number {
  if (text[at] === '"') return skipQuoted(text, at, '"');
  bareNamePattern.lastIndex = at;
  const [name] = bareNamePattern.exec(text) ?? [];
  if (name === undefined) throw unknownForm(text);
  return at + name.length;
}

/** @returns the end of the names that begin at `at`, separated by dots and commas */
function skipNames(text: string, at: number): number {
  // The names end at the first colon, unless a quote comes before it.
  const colon = text.indexOf(':', at);
  if (colon >= 0 && !text.slice(at, colon).includes('"')) return colon;
  let end = at;
  for (;;) {
    end = skipName(text, end);
    if (text[end] === '.') end++;
    else if (text.startsWith(', ', end)) end += 2;
    else return end;
  }
}

/** @returns the position behind the quote that closes the one at `at`; a doubled quote closes nothing */
function skipQuoted(text: string, at: number, quote: string): number {
  for (let from = at + 1; ; from += 2) {
    from = text.indexOf(quote, from);
    if (from < 0) throw unknownForm(text);
    if (text[from + 1] !== quote) return from + 1;
  }
}

function unquote(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}

function match(pattern: RegExp, text: string, data = text): RegExpExecArray {
  const found = pattern.exec(text);
  if (found === null) throw unknownForm(data);
  return found;
}

/** The message names at most the table: the text behind the colon holds a user's data. */
function unknownForm(data: string): IntegrityError {
  const [shown = ''] = /^(?:table [^:]{0,54}|[A-Za-z]{0,20})/.exec(data) ?? [];
  return new IntegrityError(
    `a change is in an unknown format: "${shown}…"`,
    'Nothing after it can be replayed. Choose a time before it, or a newer backup. Please report this with the version of the server.',
  );
}
