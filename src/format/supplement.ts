import * as v from 'valibot';
import { IntegrityError } from '../runtime/errors.ts';
import { parseBounded } from './bounded-json.ts';
import { bigint } from './manifest.ts';

/*
 * What a restore needs in addition to rows and the archive, and what a restored database is compared with:
 * roles, settings and jobs, which pg_dump leaves out, and a description of every definition and privilege. It
 * is one JSON text, stored and encrypted like rows because it describes the inside of a database.
 */

const text = v.string();
const flag = v.boolean();

/** A setting of a role or database, as ALTER … SET takes it: lists are one text, as in pg_db_role_setting. */
const setting = v.strictObject({ name: text, value: text });

const membership = v.strictObject({
  /** The role that the described role is a member of */
  role: text,
  admin: flag,
  /** null before PostgreSQL 16, where a membership does not have these options */
  inherit: v.nullable(flag),
  set: v.nullable(flag),
});

const role = v.strictObject({
  name: text,
  superuser: flag,
  inherit: flag,
  createRole: flag,
  createDatabase: flag,
  login: flag,
  replication: flag,
  bypassRls: flag,
  /** -1: no limit */
  connectionLimit: v.number(),
  /** ISO 8601 in UTC, or `infinity`; null: the password does not expire */
  validUntil: v.nullable(text),
  comment: v.nullable(text),
  memberOf: v.array(membership),
  /** Settings for every database */
  settings: v.array(setting),
  /** Settings for this database only */
  settingsHere: v.array(setting),
});

const cronJob = v.strictObject({
  name: v.nullable(text),
  schedule: text,
  command: text,
  database: text,
  username: text,
  active: flag,
});

/** A table of message queues (pgmq) that the extension creates */
const queue = v.strictObject({
  name: text,
  owner: text,
  /** The position of its message numbering; null for a table that numbers no messages */
  numbered: v.nullable(v.strictObject({ lastValue: bigint, isCalled: flag })),
});

/** An addition to a table of an extension; `guards` when rows would be open to more roles without it */
const addition = v.strictObject({ schema: text, table: text, what: text, sql: text, guards: flag });

/** One definition, in a form that two databases of equal definitions share. */
const definition = v.strictObject({
  /** For example `policy`, `trigger`, `function`, `row level security` */
  kind: text,
  /** null for an object outside of schemas */
  schema: v.nullable(text),
  /** The relation that the object belongs to; null for an object of no relation */
  relation: v.nullable(text),
  /**
   * The name of a function is followed by its argument types. Empty for a property that a relation has only
   * once, such as row level security.
   */
  name: text,
  /**
   * The properties of the object; bodies as their SHA-256, and text that the server prints in its own form is
   * marked (printed-text.ts)
   */
  detail: text,
});

/** What a role can do with an object, however it got the privilege: memberships, PUBLIC, ownership. */
const privilege = v.strictObject({
  kind: v.picklist(['schema', 'table', 'column', 'sequence', 'function']),
  /** For a schema, its own name */
  schema: text,
  /** Empty for a schema. For a column, `table.column` is split. For a function, with its argument types. */
  name: text,
  /** null unless `kind` is `column` */
  column: v.nullable(text),
  /** `PUBLIC` or a role */
  grantee: text,
  /** In alphabetical order, without grant options: `SELECT`, `INSERT`, … */
  privileges: v.array(text),
  /** Whether a function runs as its owner: a role that may execute it can then do as much as the owner */
  definer: flag,
});

/** A question of the user, and the source's answer under the snapshot of the backup. */
const answer = v.strictObject({
  sql: text,
  /** Rows of the answer; null when the question failed */
  rows: v.nullable(v.number()),
  /** SHA-256 of all rows in COPY's text format, in the order of the answer; null when the question failed */
  digest: v.nullable(text),
  /** The first rows in COPY's text format, for people, or the server's error message */
  sample: text,
});

/** The newest value of a column that shows how fresh the data is. */
const freshness = v.strictObject({
  schema: text,
  table: text,
  column: text,
  /** As text in UTC; null when there is no row */
  newest: v.nullable(text),
});

export const supplementSchema = v.strictObject({
  roles: v.array(role),
  database: v.strictObject({
    owner: text,
    comment: v.nullable(text),
    settings: v.array(setting),
    /** -1: no limit; absent in backups of older versions */
    connectionLimit: v.optional(v.number()),
    /** What values of expressions may depend on, as in a new session; absent in backups of older versions */
    surroundings: v.optional(v.array(setting)),
    /** Grants on the database itself; null: PostgreSQL's default */
    grants: v.nullable(v.array(v.strictObject({ grantee: text, privilege: text, grantable: flag }))),
  }),
  cronJobs: v.array(cronJob),
  /** Absent in backups of older versions */
  queues: v.optional(v.array(queue), []),
  /** In an order in which they can be created; absent in backups of older versions */
  additions: v.optional(v.array(addition), []),
  definitions: v.array(definition),
  privileges: v.array(privilege),
  answers: v.array(answer),
  freshness: v.array(freshness),
});

export type Supplement = v.InferOutput<typeof supplementSchema>;
export type Role = v.InferOutput<typeof role>;
export type Setting = v.InferOutput<typeof setting>;
export type CronJob = v.InferOutput<typeof cronJob>;
export type Definition = v.InferOutput<typeof definition>;
export type Privilege = v.InferOutput<typeof privilege>;
export type Answer = v.InferOutput<typeof answer>;
export type Freshness = v.InferOutput<typeof freshness>;

/**
 * Yields the JSON text in parts of a line each, because the whole may be too long to be in memory twice. Each
 * part has passed the schema that readers use: otherwise only a restore would find out that the supplement of
 * a backup cannot be read.
 *
 * @throws IntegrityError naming the line that no reader could parse
 */
export function* writeSupplement(supplement: Supplement): Generator<string> {
  let separator = '{';
  for (const [key, schema] of Object.entries(supplementSchema.entries)) {
    const value = supplement[key as keyof Supplement];
    yield `${separator}${JSON.stringify(key)}:`;
    separator = ',';
    const list = schema.type === 'optional' ? schema.wrapped : schema;
    if (list.type === 'array' && Array.isArray(value)) yield* writeList(key, list.item, value);
    else yield writeChecked(key, schema, value);
  }
  yield '}';
}

function* writeList(key: string, item: v.GenericSchema, values: readonly unknown[]): Generator<string> {
  let separator = '[';
  for (const value of values) {
    yield `${separator}${writeChecked(key, item, value)}`;
    separator = ',';
  }
  yield values.length === 0 ? '[]' : ']';
}

function writeChecked(key: string, schema: v.GenericSchema, value: unknown): string {
  const text = JSON.stringify(value);
  if (v.is(schema, value)) return text;
  throw new IntegrityError(
    `the description of the database has a line that a restore cannot read: ${key} ${text.slice(0, 300)}`,
    'Nothing was recorded. Report this with the line, after you have checked that it contains nothing private.',
  );
}

/**
 * Removes the server's note (`pg_attver`) from the options of a column: older versions of the tool stored it
 * in backups of 15.20 and 17.12, and it differs in every copy.
 */
function withoutNotes(line: Definition): Definition {
  if (line.kind !== 'column' || !serverNote.test(line.detail)) return line;
  const detail = line.detail.replace(serverNote, (_, before: string, list: string) => {
    const options = list.split(', ').filter((option) => !option.startsWith('pg_attver='));
    return options.length === 0 ? '' : `${before}with ${options.join(', ')}`;
  });
  return { ...line, detail };
}

/**
 * An operator that exists only because another one names it has no function. pg_dump skips it, and newer
 * versions of this tool do too.
 */
function isDefined({ kind, detail }: Definition): boolean {
  return kind !== 'operator' || detail.startsWith('function ');
}

/** Servers before 17 identify a transform as `… on language …`, newer ones as `… language …`. */
function rename(line: Definition): Definition {
  if (line.kind !== 'transform') return line;
  return { ...line, name: line.name.replace(' on language ', ' language ') };
}

/** Removes nameless lines: older versions stored the comment or security label of a missing object. */
function withoutOrphans(text: unknown): unknown {
  const stored = text as { definitions?: { kind: unknown; name: unknown }[] };
  const { definitions } = stored;
  if (!Array.isArray(definitions)) return stored;
  const isOrphan = ({ kind, name }: { kind: unknown; name: unknown }) =>
    name === null && (kind === 'comment' || kind === 'security label');
  return { ...stored, definitions: definitions.filter((line) => !isOrphan(line)) };
}

/** The options of a column stand at the end of its line, before those of a foreign table. */
const serverNote = /(^|; )with ((?:[a-z_]+=[^;,]*, )*pg_attver=\d+(?:, [a-z_]+=[^;,]*)*)(?=$|; options )/;

/** @throws Error when the text does not match this format */
export function parseSupplement(text: Buffer): Supplement {
  const supplement = v.parse(supplementSchema, withoutOrphans(parseBounded(text)), { abortEarly: true });
  return {
    ...supplement,
    definitions: supplement.definitions.filter(isDefined).map(withoutNotes).map(rename),
  };
}
