import type { Definition } from '../format/supplement.ts';
import { parseRights } from '../postgres/catalog/system-rights.ts';
import { isPlatformRole } from '../supabase/managed-schemas.ts';
import type { KnownDifference, Reason } from './known-differences.ts';
import type { ParityScope } from './scope.ts';
import type { Subject } from './subject.ts';

/** The facts that decide whether a deviation counts as a difference */
export interface DefinitionContext {
  readonly scope: Pick<ParityScope, 'whole' | 'kind' | 'managed' | 'selection'>;
  readonly known: KnownDifference;
  /** Tells whether this restore created the definition itself. */
  readonly isRestored: (subject: Subject) => boolean;
  /** Names of the schemas that the source had */
  readonly schemas: ReadonlySet<string>;
  /** Whether the backup has rows; without them no materialized view is populated or large object stored. */
  readonly withRows: boolean;
  /** The major version of the target's server */
  readonly major: number;
  /** Names of the schemas that the target has, including those of extensions */
  readonly present: ReadonlySet<string>;
}

/** Roles that stand for every user of a project's API, and PUBLIC */
export const everybodys = new Set(['PUBLIC', 'anon', 'authenticated', 'service_role']);

/** Returns the known reason for a difference, such as the platform's own version; undefined without one. */
export function explain(
  subject: Definition,
  want: string | undefined,
  have: string | undefined,
  context: DefinitionContext,
): Reason | undefined {
  return (
    context.known(subject) ??
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
        ? context.known({ kind: 'owner', schema: null, relation: null, name: `blob ${name}` })
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
        : context.known({ ...subject, schema: null, relation: null, name: want });
    case 'table':
      return explainAccessMethod(want, have, context);
    default:
      return undefined;
  }
}

const ownerOf = /^owner (?:"(?:[^"]|"")*"|[^";]+)(?=;|$)/;

/** Explains a table with the default access method, where its own access method could not be created. */
function explainAccessMethod(
  want: string | undefined,
  have: string | undefined,
  { known }: DefinitionContext,
): Reason | undefined {
  const [wanted, found] = [want, have].map(
    (detail = '') => /(?:^|; )access method ([^;]+)/.exec(detail)?.[1],
  );
  if (wanted === undefined || wanted === found) return undefined;
  return known({ kind: 'access method', schema: null, relation: null, name: wanted });
}

/** Explains different rights on an object of an extension or the server, all of which the target lists. */
function explainRights(
  subject: Definition,
  want: string | undefined,
  have: string | undefined,
  { known }: DefinitionContext,
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
    .map(known)
    .find((reason) => reason !== undefined);
}

export const platforms = "the platform's own: the target keeps the version that it has";

/** Explains an extension that the server lacks, has in another version, or brought along itself. */
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

/**
 * Tells whether a definition is the platform's own: a project keeps its managed schemas in its own version.
 * Objects that users attached to managed schemas are the users' and have to exist.
 */
function isPlatforms(
  subject: Definition,
  want: string | undefined,
  have: string | undefined,
  context: DefinitionContext,
): boolean {
  const { scope } = context;
  if (scope.kind === 'plain') return false;
  // The restoring role cannot give objects to the platform's roles.
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

/** Returns the role of `tables of supabase_admin to anon`: `supabase_admin`. */
function creatorOf(defaults: string): string {
  return /^[a-z ]+? of (\w+) to /.exec(defaults)?.[1] ?? '';
}

/**
 * Returns the schema that decides whether an object is the platform's; null for an object outside of schemas.
 */
function homeOf({ kind, schema, name }: Subject): string | null {
  if (schema !== null) return schema;
  if (kind === 'schema') return name;
  return kind === 'comment' || kind === 'owner grant' ? (/^schema (\w+)$/.exec(name)?.[1] ?? null) : null;
}

/**
 * Tells whether an object belongs to the platform: it is in a schema that only the target has, or in a
 * managed schema and was not created by this restore.
 */
export function isOfPlatform(subject: Subject, { scope, isRestored, schemas }: DefinitionContext): boolean {
  const home = homeOf(subject);
  if (scope.kind === 'plain' || home === null) return false;
  if (!schemas.has(home)) return true;
  return scope.kind === 'supabase-project' && scope.managed.has(home) && !isRestored(subject);
}

/**
 * Tells whether a trigger calls a function of a managed schema.
 *
 * @param trigger CREATE TRIGGER … EXECUTE FUNCTION schema.name(…), as the server prints it
 */
function callsManaged(trigger: string, managed: ReadonlySet<string>): boolean {
  const schema = /EXECUTE (?:FUNCTION|PROCEDURE) (?:"((?:[^"]|"")*)"|([^".(]{1,126}))\./.exec(trigger);
  return managed.has(schema?.[1]?.replaceAll('""', '"') ?? schema?.[2] ?? '');
}
