import type { Manifest } from '../format/manifest.ts';
import { qualifiedName } from '../postgres/catalog/tables.ts';
import { type ArchiveEntry, describeEntry } from '../postgres/client/table-of-contents.ts';

/** The object of a line of the comparison, in the terms of the supplement */
export interface Subject {
  readonly kind: string;
  /** Null for an object outside of schemas */
  readonly schema: string | null;
  /** The relation that the object belongs to; null for an object of its own */
  readonly relation: string | null;
  readonly name: string;
}

interface TableName {
  readonly schema: string;
  readonly name: string;
}

/**
 * The object of an omission. The lines of the comparison that the omission explains are found by this field
 * and never by its text.
 */
export type OmissionSubject =
  /** An object that an entry of the archive creates, or the owner of such an object */
  | { readonly kind: 'entry' | 'owner'; readonly entry: Pick<ArchiveEntry, 'kind' | 'schema' | 'name'> }
  /** The rows of a table in the backup, or its `changes` captured since */
  | { readonly kind: 'rows' | 'changes'; readonly table: TableName }
  | { readonly kind: 'column'; readonly table: TableName; readonly name: string }
  /** A part of a table: a policy or a constraint by its name, or row security, whose name is empty */
  | { readonly kind: 'part'; readonly type: string; readonly table: TableName; readonly name: string }
  /** Any other object with a type and a name */
  | {
      readonly kind: 'object';
      readonly type: string;
      /** Null for an object outside of schemas */
      readonly schema: string | null;
      readonly name: string;
    }
  /** A property of the database, or a setting of it */
  | { readonly kind: 'database'; readonly property: 'comment' | 'connection limit' | 'grants' | 'owner' }
  | { readonly kind: 'database setting'; readonly name: string }
  /** A job; one without a name has the digest of its command as `name`. */
  | { readonly kind: 'cron job'; readonly name: string }
  /** All jobs, when no job can be scheduled or may run */
  | { readonly kind: 'cron jobs' };

/** Returns the first two fields of an omission: its subject, and the subject's name for people. */
export function about(subject: OmissionSubject): { what: string; subject: OmissionSubject } {
  return { what: nameSubject(subject), subject };
}

function nameSubject(subject: OmissionSubject): string {
  switch (subject.kind) {
    case 'entry':
      return describeEntry(subject.entry);
    case 'rows':
      return `rows of ${qualifiedName(subject.table)}`;
    case 'changes':
      return `changes of ${qualifiedName(subject.table)} since the backup`;
    case 'database setting':
      return `setting ${subject.name} of the database`;
    case 'cron jobs':
      return 'cron jobs';
    default:
      return keyOf(subject);
  }
}

/** Returns the key by which omissions of a subject are found; it is never shown. */
export function keyOf(subject: OmissionSubject): string {
  switch (subject.kind) {
    case 'entry':
      return keyOfEntry(subject.entry);
    case 'owner': {
      const { schema, name } = subject.entry;
      return writeKey('owner', schema ?? null, schema === undefined ? keyOfEntry(subject.entry) : name);
    }
    case 'rows':
    case 'changes':
      return writeKey(subject.kind, subject.table.schema, subject.table.name);
    case 'column':
      return writeKey(subject.kind, subject.table.schema, `${subject.table.name}.${subject.name}`);
    case 'part': {
      const { type, table, name } = subject;
      return writeKey(type, table.schema, name === '' ? table.name : `${table.name} ${name}`);
    }
    case 'object':
      return writeKey(subject.type, subject.schema, subject.name);
    case 'database':
      return writeKey(subject.kind, null, subject.property);
    case 'database setting':
    case 'cron job':
      return writeKey(subject.kind, null, subject.name);
    case 'cron jobs':
      return subject.kind;
  }
}

export function keyOfEntry({ kind, schema, name }: Pick<ArchiveEntry, 'kind' | 'schema' | 'name'>): string {
  return writeKey(kind.toLowerCase(), schema ?? null, name);
}

/**
 * Writes a key in the order of a table of contents: kind, schema, name, and for a part its name behind that
 * of its relation.
 */
export function writeKey(kind: string, schema: string | null, name: string): string {
  return `${kind} ${schema === null ? '' : `${schema}.`}${name}`;
}

/** An omission of the backup in its manifest: a text only, which no later version can change */
type Stored = Pick<Manifest['notCarried'][number], 'what'>;

const rows = 'rows of ';

export function isAboutRows({ what }: Stored): boolean {
  return what.startsWith(rows);
}

/** Returns the key of a stored omission: its text is the key that `keyOf` writes, except for rows. */
export function keyOfStored(stored: Stored): string {
  return isAboutRows(stored) ? `rows ${stored.what.slice(rows.length)}` : stored.what;
}
