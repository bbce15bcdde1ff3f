import type { Definition } from '../format/supplement.ts';
import { kindBehind, notReadable } from '../postgres/catalog/particulars.ts';
import { withoutMarks } from '../postgres/catalog/printed-text.ts';
import { parseRights } from '../postgres/catalog/system-rights.ts';
import { redactDefinition } from '../report/redact.ts';
import { type DefinitionContext, everybodys, explain, platforms } from './explanations.ts';
import { judge } from './known-differences.ts';
import { absent, digestOf, type ParityLine } from './line.ts';
import { areSame } from './same.ts';
import type { Subject } from './subject.ts';

/** Compares each definition with the one of the same kind, schema, relation and name. */
export function compareDefinitions(
  expected: readonly Definition[],
  found: readonly Definition[],
  context: DefinitionContext,
): ParityLine[] {
  const relations = new Set(
    found.filter(({ kind }) => kind === 'table').map(({ schema, name }) => `${schema}.${name}`),
  );
  const unread = findUnread([...expected, ...found]);
  const there = Map.groupBy(found.map(unread), identify);
  const wanted = Map.groupBy(expected.map(unread), identify);
  const isCompared = context.scope.whole ? () => true : selectRestored(context);
  return [...new Set([...wanted.keys(), ...there.keys()])].flatMap((key) => {
    const [want = [], have = []] = [wanted.get(key), there.get(key)];
    const subject = want[0] ?? have[0];
    if (!subject || !isCompared(subject, have.length > 0)) return [];
    if (!saysMore(subject, want, wanted, there)) return [];
    const line = compareOne(subject, join(want), join(have), context);
    const isThere = relations.has(`${subject.schema}.${subject.relation}`);
    const wider =
      (isThere && lacksGuard(line, want)) ||
      opens(line, want[0], have[0], context) ||
      maintains(line, have[0]);
    return [wider ? widen(line) : line];
  });
}

/** Tells whether a line adds information: the line of a missing object covers its details. */
function saysMore(
  subject: Definition,
  want: readonly Definition[],
  ...sides: readonly ReadonlyMap<string, unknown>[]
): boolean {
  const kind = kindBehind(subject.kind);
  if (kind === undefined) return true;
  // Every extension is created with a comment, and a dump cannot say that the comment was removed.
  if (kind === 'extension' && want.length === 0) return false;
  return sides.every((side) => side.has(identify({ ...subject, kind })));
}

/** Returns a function that empties the detail of user mappings whose options one side could not read. */
function findUnread(lines: readonly Definition[]): (line: Definition) => Definition {
  const unread = new Set(
    lines
      .filter(({ kind, detail }) => kind === 'user mapping details' && detail === notReadable)
      .map(({ name }) => name),
  );
  return (line) => (line.kind === 'user mapping' && unread.has(line.name) ? { ...line, detail: '' } : line);
}

/**
 * Tells whether row level security or a restrictive policy is missing: roles then see more than in the
 * source, which no reason excuses.
 */
function lacksGuard({ kind, status, found }: ParityLine, want: readonly Definition[]): boolean {
  if (status === 'equal' || want.length === 0) return false;
  if (kind === 'row level security') return true;
  return kind === 'policy' && found === absent && want.some(({ detail }) => detail.startsWith('restrictive'));
}

/**
 * Turns a line into a difference that lets a role do more. That an object is the platform's own does not
 * excuse it.
 */
function widen({ why, ...line }: ParityLine): ParityLine {
  return {
    ...line,
    ...(why === undefined || why === platforms ? {} : { why }),
    status: 'different',
    wider: true,
  };
}

/** Tells whether a role that stands for everybody gained MAINTAIN, and so may VACUUM, ANALYZE and lock. */
function maintains({ kind, status }: ParityLine, have: Definition | undefined): boolean {
  return (
    kind === 'maintain' && status === 'different' && everybodys.has(have?.name.split(' to ').at(-1) ?? '')
  );
}

/**
 * Tells whether a role that stands for everybody has a privilege on an object of an extension or the server
 * that it lacked in the source.
 */
function opens(
  { status }: ParityLine,
  want: Definition | undefined,
  have: Definition | undefined,
  { scope }: Pick<DefinitionContext, 'scope'>,
): boolean {
  const rights = have && parseRights(have);
  if (status === 'equal' || !have || !rights || !everybodys.has(rights.grantee)) return false;
  if (want === undefined && scope.kind !== 'plain') return false;
  const before = new Set(want?.detail.split(', '));
  return have.detail.split(', ').some((privilege) => privilege !== '' && !before.has(privilege));
}

function identify({ kind, schema, relation, name }: Definition): string {
  return JSON.stringify([kind, schema, relation, name]);
}

/** Joins the details of definitions that share a subject, as those without a name of their own may. */
function join(definitions: readonly Definition[]): string | undefined {
  if (definitions.length === 0) return undefined;
  return definitions
    .map(({ detail }) => detail)
    .sort()
    .join('; ');
}

function compareOne(
  subject: Definition,
  want: string | undefined,
  have: string | undefined,
  context: DefinitionContext,
): ParityLine {
  const plain = [want, have].map((detail) => detail && withoutMarks(detail)) as [typeof want, typeof have];
  const line = {
    kind: subject.kind,
    what: describeSubject(subject),
    ...show(...plain),
  };
  const same = areSame(subject.kind, want, have, context);
  const note = same ? undefined : noteOf(subject);
  if (note !== undefined) return { ...line, status: 'equal', why: note };
  return judge(line, same, explain(subject, want, have, context));
}

/**
 * Returns a note about a deviation that counts as equal and has to be known; undefined for any other subject.
 */
function noteOf({ kind, name }: Subject): string | undefined {
  if (kind !== 'database' || name === 'connection limit') return undefined;
  return name === 'encoding'
    ? 'the database was made with another encoding: rows come as their characters'
    : 'the database was made with another collation: text without one of its own sorts as here, not as in the source';
}

function show(want: string | undefined, have: string | undefined): { expected: string; found: string } {
  const [expected, found] = [want, have].map((detail) =>
    detail === undefined ? absent : redactDefinition(detail.replace(secretDigest, '$1 …')) || 'there',
  ) as [string, string];
  if (expected !== found || want === have) return { expected, found };
  // The two differ in a part that is not shown.
  if (secretDigest.test(want ?? '')) return { expected, found: `${found} (others)` };
  return { expected: `${expected} (${digestOf(want ?? '')})`, found: `${found} (${digestOf(have ?? '')})` };
}

/** Matches digests of details that may be passwords; they are hidden, as a digest confirms a guess. */
const secretDigest = /\b(values|connection) [0-9a-f]{64}/;

const relationKinds = ['TABLE', 'FOREIGN TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE'];
const ofTheWholeDatabase = /^(publication|subscription)/;

/**
 * Returns a filter for a partial restore: it selects lines about the chosen relations, types and functions,
 * and those that they brought along.
 */
export function selectRestored({
  scope,
  isRestored,
}: Pick<DefinitionContext, 'scope' | 'isRestored'>): (subject: Subject, isThere: boolean) => boolean {
  const relations = new Set(
    scope.selection.entries
      .filter((entry) => relationKinds.includes(entry.kind))
      .map((entry) => JSON.stringify([entry.schema, entry.name])),
  );
  return (subject: Subject, isThere: boolean): boolean => {
    const { kind, schema, relation, name } = subject;
    if (ofTheWholeDatabase.test(kind) || schema === null) return false;
    if (relation !== null) return relations.has(JSON.stringify([schema, relation]));
    return isRestored(subject) || (isThere && relations.has(JSON.stringify([schema, name])));
  };
}

export function describeSubject({ schema, relation, name }: Subject): string {
  const prefix = schema === null ? '' : `${schema}.`;
  if (relation === null) return `${prefix}${name}`;
  return name === '' ? `${prefix}${relation}` : `${prefix}${relation} ${name}`;
}
