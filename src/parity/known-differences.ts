import type { Manifest } from '../format/manifest.ts';
import { kindBehind } from '../postgres/catalog/particulars.ts';
import { describeEntry } from '../postgres/client/table-of-contents.ts';
import { quoteIdentifier } from '../postgres/identifier.ts';
import { absent, type ParityLine } from './line.ts';
import type { Omission, ParityScope } from './scope.ts';
import { keyOf, keyOfEntry, keyOfStored, type Subject } from './subject.ts';

/** What is known of a difference before anybody compares. */
export interface Known {
  readonly why: string;
  /** Whether something is missing that should be there: `why` explains the difference then, and does not excuse it. */
  readonly isLoss: boolean;
  /** What this restore left out; empty where the backup or the choice of what is restored did */
  readonly omissions: readonly Omission[];
}

export type Reason = string | Known;

/** Why a difference is no surprise; undefined when it is one. */
export type Excuse = (subject: Subject) => Reason | undefined;

/** The entries of an archive that make a kind of definition, where these are called otherwise. */
const makers: Readonly<Record<string, readonly string[]>> = {
  constraint: ['constraint', 'check constraint', 'fk constraint'],
  // The index of a primary key is a part of the constraint.
  index: ['index', 'constraint'],
  'row level security': ['row security'],
  function: ['function', 'procedure', 'aggregate'],
  type: ['type', 'domain'],
  'publication schema': ['publication tables in schema'],
  'foreign server': ['server', 'foreign server'],
  'statistics object': ['statistics', 'statistics object'],
};

/** What else may be said of it where something of it is left out. */
const parts: Readonly<Record<string, readonly string[]>> = {
  table: ['rows', 'table data', 'table attach'],
  sequence: ['sequence set', 'sequence owned by'],
  column: ['default'],
  index: ['index attach'],
  'materialized view': ['materialized view data'],
  owner: ['sequence owned by'],
};

const relationKinds = ['table', 'view', 'materialized view', 'foreign table', 'sequence'];

/**
 * Gathers what this restore, or the backup before it, has said that it leaves out, by what it is about. Of several reasons a loss is the one
 * that counts.
 */
export function collectExcuses(
  { selection, notCarried }: Pick<ParityScope, 'selection' | 'notCarried'>,
  manifest: Pick<Manifest, 'notCarried'>,
): Excuse {
  const reasons = new Map<string, Known>();
  const losses = new Map<string, Known>();
  for (const stored of manifest.notCarried) {
    reasons.set(keyOfStored(stored), { why: stored.why, isLoss: false, omissions: [] });
  }
  for (const omission of notCarried) {
    const { subject, why, lost } = omission;
    if (subject === undefined) continue;
    const key = keyOf(subject);
    if (lost) losses.set(key, addLoss(losses.get(key), omission));
    else reasons.set(key, { why, isLoss: false, omissions: [omission] });
  }
  for (const { entry, needs } of selection.leftOut) {
    const why = `it needs ${describeEntry(needs)}, which is not restored`;
    reasons.set(keyOfEntry(entry), { why, isLoss: false, omissions: [] });
  }
  return (subject) => {
    const kinds = [...kindsOf(subject), ...(parts[subject.kind] ?? [])];
    // A table of contents has spaces where names have line ends.
    const keys = [
      ...keysUnder(kinds, subject),
      ...tagsOf(subject),
      ...homesOf(subject),
      ...objectOf(subject),
    ].flatMap((key) => (/[\n\r]/.test(key) ? [key, key.replaceAll(/[\n\r]/g, ' ')] : [key]));
    const find = (all: ReadonlyMap<string, Known>) =>
      keys.map((key) => all.get(key)).find((known) => known !== undefined);
    return find(losses) ?? find(reasons);
  };
}

function addLoss(before: Known | undefined, omission: Omission): Known {
  const { why } = omission;
  if (before === undefined) return { why, isLoss: true, omissions: [omission] };
  return { why: `${before.why}; ${why}`, isLoss: true, omissions: [...before.omissions, omission] };
}

/** What is lost for sure and in no line: nothing that is lost may pass. */
export function tellLosses(
  notCarried: readonly Omission[],
  lines: readonly ParityLine[],
): readonly ParityLine[] {
  // One line has all that is lost of one thing.
  const told = lines.flatMap(({ status, why }) => (status === 'different' && why !== undefined ? [why] : []));
  const known = new Set(told);
  return notCarried
    .filter(({ lost, why }) => lost === true && !known.has(why) && !told.some((one) => one.includes(why)))
    .map(({ what, why }) => ({
      ...{ kind: 'lost', what, expected: 'there', found: absent, why },
      status: 'different',
    }));
}

/** Tells which definitions the restore has made itself, from the entries of the archive that it ran. */
export function collectRestored({ entries }: ParityScope['selection']): (subject: Subject) => boolean {
  const made = new Set(entries.map(keyOfEntry));
  return (subject) => keysUnder(kindsOf(subject), subject).some((key) => made.has(key));
}

function kindsOf({ kind }: Subject): readonly string[] {
  const behind = kindBehind(kind) ?? kind;
  return makers[behind] ?? [behind];
}

/** As a table of contents names it, and as older backups do. */
function keysUnder(kinds: readonly string[], { schema, relation, name }: Subject): string[] {
  const prefix = schema === null ? '' : `${schema}.`;
  const of = `${prefix}${relation}`;
  return kinds.flatMap((kind) => [
    `${kind} ${prefix}${name}`,
    ...(relation === null
      ? []
      : [name === '' ? `${kind} ${of}` : `${kind} ${of} ${name}`, `${kind} ${name} on ${of}`]),
    ...(relation === null ? [] : [`${kind} ${of}.${name}`]),
  ]);
}

/** The kind of an object and its name, which may begin like the rest of a kind. */
const commented =
  /^(table constraint|domain constraint|event trigger|text search \w+|operator (?:class|family)|statistics object|large object|\S+) (.*)$/s;

const granting = new Set(['grant', 'grant option', 'owner grant', 'predefined role grant', 'maintain']);

/** An entry of comments, labels or grants is called after what these are about: `comment auth.TRIGGER on_new_user ON users`. */
function tagsOf({ kind, schema, relation, name }: Subject): string[] {
  const prefix = schema === null ? '' : `${schema}.`;
  if (kind === 'extension comment') return [`comment EXTENSION ${name}`];
  if (granting.has(kind)) {
    const of = name.replace(/(?:^| )to (?:"(?:[^"]|"")*"|[^" ]+)$/s, '');
    if (relation !== null) return ['TABLE', 'SEQUENCE'].map((type) => `acl ${prefix}${type} ${relation}`);
    const tag = of.replace(
      /^(?:schema|type|language|foreign data wrapper|foreign server|large object) /,
      (word) => word.toUpperCase(),
    );
    if (schema === null || tag !== of) return [`acl ${prefix}${tag}`];
    return ['FUNCTION', 'PROCEDURE', 'AGGREGATE'].map((type) => `acl ${prefix}${type} ${of}`);
  }
  if (kind === 'security label') {
    // Those of a relation and its columns are one entry.
    const about = relation === null ? name.replace(/ by \S+$/, '') : '';
    const tags = tagsOf({ kind: 'comment', schema, relation, name: about });
    return tags.map((tag) => tag.replace(/^comment/, kind));
  }
  if (kind === 'owner' && name === '(schema)') return [`owner schema ${schema}`];
  if (schema !== null && kind === 'owner') return [`owner ${tagName(schema, name.replace(owned, ''))}`];
  if (schema !== null && kind.startsWith('operator')) {
    return [`${kind.replace(/ members$/, '')} ${tagName(schema, name)}`];
  }
  if (kind === 'cast') return [`cast CAST (${name})`];
  if (kind === 'user mapping') return [`user mapping USER MAPPING ${name.replace(' on ', ' SERVER ')}`];
  if (kind === 'transform')
    return [`transform TRANSFORM ${name.replace('for ', 'FOR ').replace(' language ', ' LANGUAGE ')}`];
  if (kind === 'default privileges') {
    const [, sort = ''] = /^([a-z ]+?) of /.exec(name) ?? [];
    return [`default acl ${prefix}DEFAULT PRIVILEGES FOR ${sort.toUpperCase()}`];
  }
  if (kind !== 'comment') return [];
  const [, type = '', rest = ''] = commented.exec(name) ?? [];
  const tag = type === 'table constraint' ? 'CONSTRAINT' : type.toUpperCase();
  if (relation === null) {
    return [`comment ${prefix}${tag} ${rest.startsWith(prefix) ? rest.slice(prefix.length) : rest}`];
  }
  if (name === '') return relationKinds.map((of) => `comment ${prefix}${of.toUpperCase()} ${relation}`);
  return [`comment ${prefix}${tag} ${rest} ON ${relation}`, `comment ${prefix}COLUMN ${relation}.${name}`];
}

/** What the name of an owner's object begins with, where others may have the same name */
const owned = /^(statistics object|operator(?: class| family)?|collation|conversion|text search \w+) /;

/** `public.=(integer,integer)` and `public.ops USING btree` as a table of contents names them: `public.=` and `public.ops` */
function tagName(schema: string, name: string): string {
  const bare = name.replace(/ USING \S+$/, '').replace(/\([^()]*\)$/, '');
  const prefix = [schema, quoteIdentifier(schema)].find((one) => bare.startsWith(`${one}.`)) ?? '';
  const own = prefix === '' ? bare : bare.slice(prefix.length + 1);
  return `${unquote(schema)}.${unquote(own)}`;
}

function unquote(name: string): string {
  return name.replace(/^"(.*)"$/s, (_, quoted: string) => quoted.replaceAll('""', '"'));
}

/** What it cannot be without. */
function homesOf({ kind, schema, relation, name }: Subject): string[] {
  const about = describing.has(kind) && relation === null ? [name] : [];
  if (schema === null) return about;
  return [
    ...about,
    ...(about.length > 0 ? routinesAndTypes.map((of) => `${of} ${schema}.${name}`) : []),
    ...(relation === null ? [] : relationKinds.map((of) => `${of} ${schema}.${relation}`)),
    `schema ${schema}`,
  ];
}

/** Of an owner, the object: `owner public.operator =(integer,integer)` is about `operator public.=`. */
function objectOf({ kind, schema, relation, name }: Subject): string[] {
  if (kind === 'view' && schema !== null) return [`rule ${schema}.${name} _RETURN`];
  if (kind !== 'owner' || relation !== null) return [];
  const [, of = ''] =
    owned.exec(name) ?? /^(foreign server|foreign data wrapper|language|publication) /.exec(name) ?? [];
  const bare = name.slice(of.length + 1);
  if (of === '') return [];
  const what = schema === null ? bare : tagName(schema, bare);
  return [of, ...(makers[of] ?? [])].map((one) => `${one} ${what}`);
}

/** Kinds that say something of an object, which their names name, with its kind or without. */
const describing = new Set(['comment', 'owner', 'security label']);
const routinesAndTypes = ['function', 'procedure', 'aggregate', 'type', 'domain'];

/** A line whose two sides are the same or not, and why that is none of this restore's doing. */
export function judge(
  line: Pick<ParityLine, 'kind' | 'what' | 'expected' | 'found'>,
  equal: boolean,
  why: Reason | undefined,
): ParityLine {
  if (equal) return { ...line, status: 'equal' };
  if (why === undefined) return { ...line, status: 'different' };
  if (typeof why === 'string') return { ...line, status: 'not carried', why };
  const because = why.omissions.length === 0 ? {} : { because: why.omissions };
  return { ...line, status: why.isLoss ? 'different' : 'not carried', why: why.why, ...because };
}
