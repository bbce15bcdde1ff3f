import type { Manifest } from '../format/manifest.ts';
import { kindBehind } from '../postgres/catalog/particulars.ts';
import { describeEntry } from '../postgres/client/table-of-contents.ts';
import { quoteIdentifier } from '../postgres/identifier.ts';
import { absent, type ParityLine } from './line.ts';
import type { Omission, ParityScope } from './scope.ts';

/** What a line of the comparison is about, in the terms of the supplement. */
export interface Subject {
  readonly kind: string;
  /** null for what lives in no schema */
  readonly schema: string | null;
  /** The relation that it belongs to; null for what belongs to none */
  readonly relation: string | null;
  readonly name: string;
}

/** Why something is missing that should be there: what is told of it explains the difference and does not excuse it. */
export interface Loss {
  readonly lost: string;
}

export type Reason = string | Loss;

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
  table: ['rows of', 'table data', 'table attach'],
  sequence: ['sequence set', 'sequence owned by'],
  column: ['default'],
  index: ['index attach'],
  'materialized view': ['materialized view data'],
  owner: ['sequence owned by'],
};

const relationKinds = ['table', 'view', 'materialized view', 'foreign table', 'sequence'];

/**
 * Gathers what this restore, or the backup before it, has said that it leaves out. Whoever leaves something out names it as
 * `describeEntry` does (`policy storage.objects own files`), so that the lines about it are found. Of several reasons a loss is the one that
 * counts.
 */
export function collectExcuses(
  { selection, notCarried }: Pick<ParityScope, 'selection' | 'notCarried'>,
  manifest: Pick<Manifest, 'notCarried'>,
): Excuse {
  const reasons = new Map<string, string>();
  const losses = new Map<string, Loss>();
  for (const { what, why, lost } of [...manifest.notCarried, ...notCarried] as readonly Omission[]) {
    const before = losses.get(what);
    if (lost) losses.set(what, { lost: before === undefined ? why : `${before.lost}; ${why}` });
    else reasons.set(what, why);
  }
  for (const { entry, needs } of selection.leftOut) {
    reasons.set(describeEntry(entry), `it needs ${describeEntry(needs)}, which is not restored`);
  }
  return (subject) => {
    const kinds = [...kindsOf(subject), ...(parts[subject.kind] ?? [])];
    // A table of contents has spaces where names have line ends.
    const names = [
      ...namesUnder(kinds, subject),
      ...tagsOf(subject),
      ...homesOf(subject),
      ...objectOf(subject),
    ].flatMap((name) => (/[\n\r]/.test(name) ? [name, name.replaceAll(/[\n\r]/g, ' ')] : [name]));
    const find = (all: ReadonlyMap<string, Reason>) =>
      names.map((name) => all.get(name)).find((reason) => reason !== undefined);
    return find(losses) ?? find(reasons);
  };
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
  const made = new Set(entries.map(describeEntry));
  return (subject) => namesUnder(kindsOf(subject), subject).some((name) => made.has(name));
}

function kindsOf({ kind }: Subject): readonly string[] {
  const behind = kindBehind(kind) ?? kind;
  return makers[behind] ?? [behind];
}

/** As `describeEntry` writes it, and as people do. */
function namesUnder(kinds: readonly string[], { schema, relation, name }: Subject): string[] {
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
  if (typeof why === 'object') return { ...line, status: 'different', why: why.lost };
  return why === undefined ? { ...line, status: 'different' } : { ...line, status: 'not carried', why };
}
