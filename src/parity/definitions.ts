import type { Definition } from '../format/supplement.ts';
import { kindBehind, notReadable } from '../postgres/catalog/particulars.ts';
import { withoutMarks } from '../postgres/catalog/printed-text.ts';
import { parseRights } from '../postgres/catalog/system-rights.ts';
import { redactDefinition } from '../report/redact.ts';
import { isPlatformRole } from '../supabase/managed-schemas.ts';
import { type Excuse, judge, type Reason, type Subject } from './known-differences.ts';
import { absent, digestOf, type ParityLine } from './line.ts';
import { areSame } from './same.ts';
import type { ParityScope } from './scope.ts';

/** What decides whether a difference is one. */
export interface DefinitionContext {
  readonly scope: Pick<ParityScope, 'whole' | 'kind' | 'managed' | 'selection'>;
  readonly excuse: Excuse;
  /** Whether this restore made the definition itself */
  readonly isRestored: (subject: Subject) => boolean;
  /** Names of the schemas that the source had */
  readonly schemas: ReadonlySet<string>;
  /** Whether the backup has rows; without them materialized views are not populated, and there are no large objects. */
  readonly withRows: boolean;
  /** The major version of the target's server */
  readonly major: number;
  /** Names of the schemas that the target has, those of extensions among them */
  readonly present: ReadonlySet<string>;
}

/** Compares definition by definition, each with the one of the same kind, schema, relation and name. */
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

/** Whether it is no more to know of something that only one of them has: the line of that says it. */
function saysMore(
  subject: Definition,
  want: readonly Definition[],
  ...sides: readonly ReadonlyMap<string, unknown>[]
): boolean {
  const kind = kindBehind(subject.kind);
  if (kind === undefined) return true;
  // A dump does not say that an extension has no comment, and each comes with one.
  if (kind === 'extension' && want.length === 0) return false;
  return sides.every((side) => side.has(identify({ ...subject, kind })));
}

/** What the options of a user mapping are, where one side could not read them. */
function findUnread(lines: readonly Definition[]): (line: Definition) => Definition {
  const unread = new Set(
    lines
      .filter(({ kind, detail }) => kind === 'user mapping details' && detail === notReadable)
      .map(({ name }) => name),
  );
  return (line) => (line.kind === 'user mapping' && unread.has(line.name) ? { ...line, detail: '' } : line);
}

/** Without row level security, or a policy that restricts, more can be seen than in the source: no reason makes that good. */
function lacksGuard({ kind, status, found }: ParityLine, want: readonly Definition[]): boolean {
  if (status === 'equal' || want.length === 0) return false;
  if (kind === 'row level security') return true;
  return kind === 'policy' && found === absent && want.some(({ detail }) => detail.startsWith('restrictive'));
}

/** That something is the platform's own is no reason for it to be open. */
function widen({ why, ...line }: ParityLine): ParityLine {
  return {
    ...line,
    ...(why === undefined || why === platforms ? {} : { why }),
    status: 'different',
    wider: true,
  };
}

/** Who may VACUUM, ANALYZE and lock what it could not is everybody here. */
function maintains({ kind, status }: ParityLine, have: Definition | undefined): boolean {
  return (
    kind === 'maintain' && status === 'different' && everybodys.has(have?.name.split(' to ').at(-1) ?? '')
  );
}

const everybodys = new Set(['PUBLIC', 'anon', 'authenticated', 'service_role']);

/** Whether a role of everybody may do something on an object of an extension or the server, which the source had forbidden. */
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

/** Of what has no name of its own, such as a cast, there may be several. */
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

/** What differs and is no difference, and yet to be known. */
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
  // They differ in what is not shown.
  if (secretDigest.test(want ?? '')) return { expected, found: `${found} (others)` };
  return { expected: `${expected} (${digestOf(want ?? '')})`, found: `${found} (${digestOf(have ?? '')})` };
}

/** Of passwords not even a digest is shown: it tells a guess that is right from one that is not. */
const secretDigest = /\b(values|connection) [0-9a-f]{64}/;

function explain(
  subject: Definition,
  want: string | undefined,
  have: string | undefined,
  context: DefinitionContext,
): Reason | undefined {
  return (
    context.excuse(subject) ??
    (context.withRows || !isOfLargeObject(subject) ? undefined : 'the backup is one of definitions only') ??
    (subject.kind === 'extension' ? explainExtension(subject, want, have, context) : undefined) ??
    explainByKind(subject, want, have, context) ??
    (isPlatforms(subject, want, have, context) ? platforms : undefined)
  );
}

function isOfLargeObject({ kind, name }: Definition): boolean {
  return kind === 'large object' || (aboutObjects.test(kind) && name.startsWith('large object '));
}

const aboutObjects = /^(?:comment|owner grant|predefined role grant)$/;

function explainByKind(
  subject: Definition,
  want: string | undefined,
  have: string | undefined,
  context: DefinitionContext,
): Reason | undefined {
  const { kind, schema, name } = subject;
  switch (kind) {
    case 'default privileges':
      return schema !== null && !context.schemas.has(schema) && !context.present.has(schema)
        ? `the target has no schema ${schema}: its extension did not bring it`
        : undefined;
    case 'owner':
      return name.startsWith('extension ') && want !== undefined && have !== undefined
        ? 'an extension belongs to whoever created it, and cannot be given to another role'
        : undefined;
    case 'database':
      return 'how many may connect, the target decides';
    case 'constraint':
      return want?.replace(/; triggers disabled on .*$/s, '') === have
        ? 'a dump does not say that the triggers of a key are disabled; in the target the key is enforced'
        : undefined;
    case 'extension comment':
      return context.scope.kind === 'plain'
        ? undefined
        : 'an extension of the platform keeps its own comment';
    case 'large object':
      return want?.replace(ownerOf, '') === have?.replace(ownerOf, '')
        ? context.excuse({ kind: 'owner', schema: null, relation: null, name: `blob ${name}` })
        : undefined;
    case 'subscription':
      return want?.replace(/; enabled$/, '; disabled') === have
        ? 'a subscription comes disabled, and is for you to enable'
        : undefined;
    case 'rights':
      return explainRights(subject, want, have, context);
    case 'tablespace':
      return want === undefined
        ? undefined
        : context.excuse({ ...subject, schema: null, relation: null, name: want });
    case 'table':
      return explainAccessMethod(want, have, context);
    default:
      return undefined;
  }
}

const ownerOf = /^owner (?:"(?:[^"]|"")*"|[^";]+)(?=;|$)/;

/** A table whose access method could not be made is one of the default method. */
function explainAccessMethod(
  want: string | undefined,
  have: string | undefined,
  { excuse }: DefinitionContext,
): Reason | undefined {
  const [wanted, found] = [want, have].map(
    (detail = '') => /(?:^|; )access method ([^;]+)/.exec(detail)?.[1],
  );
  if (wanted === undefined || wanted === found) return undefined;
  return excuse({ kind: 'access method', schema: null, relation: null, name: wanted });
}

/** What an object that is not the user's lets somebody do; the target told of each that it has. */
function explainRights(
  subject: Definition,
  want: string | undefined,
  have: string | undefined,
  { excuse }: DefinitionContext,
): Reason | undefined {
  const rights = parseRights(subject);
  if (rights === undefined) return undefined;
  if (want !== undefined && have === undefined) {
    return 'the target has no such object: its extension is missing there, or of another version';
  }
  const { type, schema, name, grantee } = rights;
  const role = grantee.replace(/^"(.*)"$/s, (_, quoted: string) => quoted.replaceAll('""', '"'));
  return [
    { kind: 'role', schema: null, relation: null, name: role },
    { kind: 'acl', schema, relation: null, name: `${type.toUpperCase()} ${name}` },
  ]
    .map(excuse)
    .find((reason) => reason !== undefined);
}

export const platforms = "the platform's own: the target keeps the version that it has";

/** An extension comes in the version that the server has, and not at all where the server has none. */
function explainExtension(
  subject: Definition,
  want: string | undefined,
  have: string | undefined,
  { isRestored }: DefinitionContext,
): string | undefined {
  if (have === undefined) return isRestored(subject) ? undefined : 'the server does not have it';
  if (want === undefined) return 'it came with the target';
  const version = /version (.+)$/;
  if (want.replace(version, '') !== have.replace(version, '')) return undefined;
  return `version ${version.exec(want)?.[1]} in the source; the server has ${version.exec(have)?.[1]}`;
}

/** A project has its own schemas in its own version. What users have hung on them is theirs, and has to be there. */
function isPlatforms(
  subject: Definition,
  want: string | undefined,
  have: string | undefined,
  context: DefinitionContext,
): boolean {
  const { scope } = context;
  if (scope.kind === 'plain') return false;
  // What the platform's roles own elsewhere is made by a role that cannot give it to them.
  if (subject.kind === 'owner' && want !== undefined && isPlatformRole(want)) return true;
  if (subject.kind === 'default privileges' && isPlatformRole(creatorOf(subject.name))) return true;
  if (want === undefined && homeOf(subject) === null) return true;
  if (!isOfPlatform(subject, context)) return false;
  const rights = parseRights(subject);
  if (rights && want !== undefined && !everybodys.has(rights.grantee)) return false;
  if (want === undefined || have !== undefined) return true;
  if (subject.kind === 'policy') return false;
  return subject.kind !== 'trigger' || callsManaged(want, scope.managed);
}

/** `tables of supabase_admin to anon` */
function creatorOf(defaults: string): string {
  return /^[a-z ]+? of (\w+) to /.exec(defaults)?.[1] ?? '';
}

/** The schema that decides whose it is; null for what lives in none. */
function homeOf({ kind, schema, name }: Subject): string | null {
  if (schema !== null) return schema;
  if (kind === 'schema') return name;
  return kind === 'comment' || kind === 'owner grant' ? (/^schema (\w+)$/.exec(name)?.[1] ?? null) : null;
}

/**
 * Whether it came with the target, in a schema that the source did not have, or lives in one of the platform and is not of this restore's
 * making.
 */
export function isOfPlatform(subject: Subject, { scope, isRestored, schemas }: DefinitionContext): boolean {
  const home = homeOf(subject);
  if (scope.kind === 'plain' || home === null) return false;
  if (!schemas.has(home)) return true;
  return scope.kind === 'supabase-project' && scope.managed.has(home) && !isRestored(subject);
}

/** @param trigger CREATE TRIGGER … EXECUTE FUNCTION schema.name(…), as the server writes it */
function callsManaged(trigger: string, managed: ReadonlySet<string>): boolean {
  const schema = /EXECUTE (?:FUNCTION|PROCEDURE) (?:"((?:[^"]|"")*)"|([^".(]{1,126}))\./.exec(trigger);
  return managed.has(schema?.[1]?.replaceAll('""', '"') ?? schema?.[2] ?? '');
}

const relationKinds = ['TABLE', 'FOREIGN TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE'];
const ofTheWholeDatabase = /^(publication|subscription)/;

/** Of a part: lines about the relations, types and functions that were chosen, or that these brought along. */
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
