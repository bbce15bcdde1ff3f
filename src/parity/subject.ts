import type { Manifest } from '../format/manifest.ts';
import { qualifiedName } from '../postgres/catalog/tables.ts';
import { type ArchiveEntry, describeEntry } from '../postgres/client/table-of-contents.ts';

/** What a line of the comparison is about, in the terms of the supplement. */
export interface Subject {
  readonly kind: string;
  /** null for what lives in no schema */
  readonly schema: string | null;
  /** The relation that it belongs to; null for what belongs to none */
  readonly relation: string | null;
  readonly name: string;
}

interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** What an omission is about: by it, and by no words, the lines of the comparison that it explains are found. */
export type OmissionSubject =
  /** What an entry of the archive makes, or who is to own that */
  | { readonly kind: 'entry' | 'owner'; readonly entry: Pick<ArchiveEntry, 'kind' | 'schema' | 'name'> }
  /** `changes`: what was captured of a table after the backup */
  | { readonly kind: 'rows' | 'changes'; readonly table: TableName }
  | { readonly kind: 'column'; readonly table: TableName; readonly name: string }
  /** A policy, a constraint or something else of a table that has a name there, or none, as its row security */
  | { readonly kind: 'part'; readonly type: string; readonly table: TableName; readonly name: string }
  /** Anything else that has a type and a name */
  | {
      readonly kind: 'object';
      readonly type: string;
      /** null for what lives in no schema */
      readonly schema: string | null;
      readonly name: string;
    }
  /** A property of the database itself, or a setting of it */
  | { readonly kind: 'database'; readonly property: 'comment' | 'connection limit' | 'grants' | 'owner' }
  | { readonly kind: 'database setting'; readonly name: string }
  /** `name`: without one, the digest of its command */
  | { readonly kind: 'cron job'; readonly name: string }
  /** All jobs, because none can be scheduled or none may run */
  | { readonly kind: 'cron jobs' };

/** The first two fields of an omission: its subject, and how it is called for people. */
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

/** By which what is said of a subject is found; never shown. */
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

/** As a table of contents names what it has: its kind, then its schema, then its name, and behind that of a relation the name of a part. */
export function writeKey(kind: string, schema: string | null, name: string): string {
  return `${kind} ${schema === null ? '' : `${schema}.`}${name}`;
}

/** Something that the backup lacks, as its manifest says it: in words only, which no later version of the tool can change. */
type Stored = Pick<Manifest['notCarried'][number], 'what'>;

const rows = 'rows of ';

export function isAboutRows({ what }: Stored): boolean {
  return what.startsWith(rows);
}

/** The key of what a manifest's words are about: they name it as `keyOf` does, but for rows. */
export function keyOfStored(stored: Stored): string {
  return isAboutRows(stored) ? `rows ${stored.what.slice(rows.length)}` : stored.what;
}
