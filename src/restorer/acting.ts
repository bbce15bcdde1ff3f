import type { Definition, Supplement } from '../format/supplement.ts';
import { withoutMarks } from '../postgres/catalog/printed-text.ts';
import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';
import { unquoteIdentifier } from '../postgres/identifier.ts';
import type { Session } from '../postgres/session/connection.ts';
import { formatCount, formatCounted } from '../report/quantity.ts';

const routines = new Set(['FUNCTION', 'PROCEDURE']);

/** How many owners a message names at most, those with the most objects first. */
const shownOwners = 5;

type Entry = Pick<ArchiveEntry, 'kind' | 'owner' | 'schema' | 'name'>;

/**
 * Names of the server's volatile functions. In a check they can read files, or run statements given as text.
 */
export async function readVolatile(session: Session): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>(
    `SELECT DISTINCT proname AS name FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND provolatile = 'v'`,
  );
  return new Set(rows.map(({ name }) => name));
}

/**
 * Describes which code of other roles a superuser's session will run, and who owns it. PostgreSQL runs a
 * function as the role that evaluates the calling expression, and a restore evaluates checks, generated
 * columns and partition keys; the manual of pg_dump warns of it. A check can do harm without a function of
 * its owner: some functions of the server and of extensions are enough. Undefined where all of it belongs to
 * roles that were superusers in the source, and could do as much there.
 *
 * @param role the superuser that the restore connects as
 * @param volatile names of the server's functions that do more than compute
 */
export function describeActing(
  role: string,
  entries: readonly Entry[],
  { roles, definitions }: Pick<Supplement, 'roles' | 'definitions'>,
  volatile: ReadonlySet<string>,
): string | undefined {
  const trusted = new Set(roles.filter(({ superuser }) => superuser).map(({ name }) => name));
  const isTold = ({ owner }: { owner: string }) => !trusted.has(owner);
  const functions = entries.filter((entry) => routines.has(entry.kind) && isTold(entry));
  const expressions = findCalling(entries, definitions, volatile).filter(isTold);
  if (functions.length + expressions.length === 0) return undefined;
  return [
    ...(functions.length === 0
      ? []
      : [
          `Functions of the backup run as ${role}, a superuser, where checks, generated columns, partition keys or triggers call them; where indexes, statistics and materialized views do, as the owners of these. They belong to ${listOwners(functions)}.`,
        ]),
    ...(expressions.length === 0
      ? []
      : [
          `Checks, generated columns or partition keys call functions of extensions, or functions of the server that do more than compute, as ${role}, a superuser. The tables and domains belong to ${listOwners(expressions)}.`,
        ]),
    'If you do not trust these roles with the server, restore as a role without superuser rights, into a server that has nothing else on it.',
  ].join(' ');
}

function listOwners(objects: readonly { readonly owner: string }[]): string {
  const counts = [...Map.groupBy(objects, ({ owner }) => owner)].map(
    ([owner, of]) => [owner, of.length] as const,
  );
  const owners = counts.sort(([, one], [, other]) => other - one);
  const shown = owners.slice(0, shownOwners).map(([owner, count]) => `${owner} (${formatCount(count)})`);
  const more =
    owners.length > shownOwners ? ` and ${formatCounted(owners.length - shownOwners, 'role')} more` : '';
  return `${shown.join(', ')}${more}`;
}

const isHolder = ({ kind }: Entry) => kind === 'TABLE' || kind === 'DOMAIN';

/**
 * Tables and domains with an evaluated expression that calls a volatile function of the server, or a function
 * that is neither the server's nor in the backup.
 */
function findCalling(
  entries: readonly Entry[],
  definitions: readonly Definition[],
  volatile: ReadonlySet<string>,
): Entry[] {
  const known = new Set(
    entries
      .filter(({ kind }) => routines.has(kind))
      .map(({ schema, name }) => identify(schema ?? '', name.replace(/\(.*$/s, ''))),
  );
  const isNoted = ({ schema, name }: Call) =>
    schema === undefined ? volatile.has(name) : !known.has(identify(schema, name));
  const calling = new Set(
    definitions
      .filter((line) => isEvaluated(line) && readCalls(withoutMarks(line.detail)).some(isNoted))
      .map(({ schema, relation, name }) => identify(schema ?? '', relation ?? name)),
  );
  return entries.filter((entry) => isHolder(entry) && calling.has(identify(entry.schema ?? '', entry.name)));
}

const identify = (schema: string, name: string) => JSON.stringify([schema, name]);

/**
 * Whether loading rows evaluates it. A default is not evaluated, because every row comes with all its values.
 */
function isEvaluated({ kind, detail }: Definition): boolean {
  const text = withoutMarks(detail);
  switch (kind) {
    case 'constraint':
      return text.startsWith('CHECK ');
    case 'column':
      return / generated /.test(text);
    case 'table':
      return / partitioned by /.test(text);
    case 'type':
      return text.startsWith('domain ');
    default:
      return false;
  }
}

/**
 * A call as PostgreSQL prints it for a session with an empty search_path: the server's own functions have no
 * schema.
 */
interface Call {
  readonly schema: string | undefined;
  readonly name: string;
}

const identifier = '"(?:[^"]|"")+"|[\\p{L}_][\\p{L}\\d_$]*';
const call = new RegExp(`(?:(${identifier})\\.)?(${identifier})\\(`, 'gu');

function readCalls(text: string): Call[] {
  const bare = text.replaceAll(/'(?:[^']|'')*'/g, "''");
  return [...bare.matchAll(call)].map(([, schema, name = '']) => ({
    schema: schema === undefined ? undefined : unquoteIdentifier(schema),
    name: unquoteIdentifier(name),
  }));
}
