import type { Manifest } from '../format/manifest.ts';
import { kindBehind } from '../postgres/catalog/particulars.ts';
import { describeEntry } from '../postgres/client/table-of-contents.ts';
import { quoteIdentifier } from '../postgres/identifier.ts';
import { absent, type ParityLine } from './line.ts';
import type { Omission, ParityScope } from './scope.ts';
import { keyOf, keyOfEntry, keyOfStored, type Subject } from './subject.ts';

/** A reason for a difference that is known before the comparison */
export interface Known {
  readonly why: string;
  /** True when something that should exist is missing: `why` explains the difference without excusing it. */
  readonly isLoss: boolean;
  /** Omissions of this restore; empty when the backup or the selection left the object out */
  readonly omissions: readonly Omission[];
}

export type Reason = string | Known;

/** Returns the known reason for a difference of a subject; undefined when there is none. */
export type KnownDifference = (subject: Subject) => Reason | undefined;

/** Kinds of archive entries that create a kind of definition, where their names differ */
const makers: Readonly<Record<string, readonly string[]>> = {
  constraint: ['constraint', 'check constraint', 'fk constraint'],
  // The entry of a primary key is a constraint, which creates the index.
  index: ['index', 'constraint'],
  'row level security': ['row security'],
  function: ['function', 'procedure', 'aggregate'],
  type: ['type', 'domain'],
  'publication schema': ['publication tables in schema'],
  'foreign server': ['server', 'foreign server'],
  'statistics object': ['statistics', 'statistics object'],
};

/** Kinds of archive entries for a part of a definition: leaving out the part explains a difference, too. */
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
 * Collects the omissions of this restore and of its backup by their subjects. When a subject has several
 * reasons, a loss takes precedence.
 */
export function collectKnownDifferences(
  { selection, notCarried }: Pick<ParityScope, 'selection' | 'notCarried'>,
  manifest: Pick<Manifest, 'notCarried'>,
): KnownDifference {
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
    // A table of contents writes line breaks in names as spaces.
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

/** Returns lines for certain losses that no other line reports, so that no loss passes as equal. */
export function tellLosses(
  notCarried: readonly Omission[],
  lines: readonly ParityLine[],
): readonly ParityLine[] {
  // One line reports all losses of one subject.
  const told = lines.flatMap(({ status, why }) => (status === 'different' && why !== undefined ? [why] : []));
  const known = new Set(told);
  return notCarried
    .filter(({ lost, why }) => lost === true && !known.has(why) && !told.some((one) => one.includes(why)))
    .map(({ what, why }) => ({
      ...{ kind: 'lost', what, expected: 'there', found: absent, why },
      status: 'different',
    }));
}

/** Returns a function that tells whether an archive entry that this restore ran created a definition. */
export function collectRestored({ entries }: ParityScope['selection']): (subject: Subject) => boolean {
  const made = new Set(entries.map(keyOfEntry));
  return (subject) => keysUnder(kindsOf(subject), subject).some((key) => made.has(key));
}

function kindsOf({ kind }: Subject): readonly string[] {
  const behind = kindBehind(kind) ?? kind;
  return makers[behind] ?? [behind];
}

/** Returns the keys of a subject as tables of contents and manifests of older versions write them. */
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

/**
 * Splits a kind of one or more words from the name behind it; kinds of several words are listed, as a name
 * may begin with the same word.
 */
const commented =
  /^(table constraint|domain constraint|event trigger|text search \w+|operator (?:class|family)|statistics object|large object|\S+) (.*)$/s;

const granting = new Set(['grant', 'grant option', 'owner grant', 'predefined role grant', 'maintain']);

/**
 * Returns the keys of entries that are named after another object, as comments, labels and grants are:
 * `comment auth.TRIGGER on_new_user ON users`.
 */
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
    // The labels of a relation and of its columns are one entry.
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

/** Matches the kind before an owner's object, where objects of several kinds may share a name. */
const owned = /^(statistics object|operator(?: class| family)?|collation|conversion|text search \w+) /;

/**
 * Converts a name to that of a table of contents: `public.=(integer,integer)` to `public.=`, `public.ops
 * USING btree` to `public.ops`.
 */
function tagName(schema: string, name: string): string {
  const bare = name.replace(/ USING \S+$/, '').replace(/\([^()]*\)$/, '');
  const prefix = [schema, quoteIdentifier(schema)].find((one) => bare.startsWith(`${one}.`)) ?? '';
  const own = prefix === '' ? bare : bare.slice(prefix.length + 1);
  return `${unquote(schema)}.${unquote(own)}`;
}

function unquote(name: string): string {
  return name.replace(/^"(.*)"$/s, (_, quoted: string) => quoted.replaceAll('""', '"'));
}

/** Returns the keys of a subject's relation, its schema, and the object that it describes. */
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

/**
 * Returns the keys of an owner's object (`operator public.=` for `owner public.operator =(integer,integer)`),
 * and of a view's rule.
 */
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

/** Kinds that describe another object; their names hold its name, with or without its kind. */
const describing = new Set(['comment', 'owner', 'security label']);
const routinesAndTypes = ['function', 'procedure', 'aggregate', 'type', 'domain'];

/**
 * Builds a line. A difference with a known reason is `not carried`; one without a reason, or by a loss, is
 * `different`.
 */
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
