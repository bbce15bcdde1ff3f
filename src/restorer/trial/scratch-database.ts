import type { Manifest } from '../../format/manifest.ts';
import type { Supplement } from '../../format/supplement.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/identifier.ts';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import { type ConnectionSettings, describeConnection } from '../../postgres/session/settings.ts';
import { sqlState } from '../../postgres/sqlstate.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, messageOf } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import {
  type DatabaseLocale,
  describeCollation,
  findLocale,
  readLocale,
  writeLocale,
} from '../database-locale.ts';
import { createRolesOf, planRoles } from '../roles/roles.ts';

export interface ScratchDatabase extends AsyncDisposable {
  /** How to connect to it */
  readonly settings: ConnectionSettings;
  /** How it differs from the source's database */
  readonly notCarried: Manifest['notCarried'];
}

/** The name of the database in which a backup is tried */
export function nameScratchDatabase(backup: string): string {
  return `supabase_backup_drill_${backup.toLowerCase().replace('-', '_')}`;
}

/**
 * Creates a scratch database on the server, with the encoding and the collation of the source, and with the
 * roles that the backup needs. All of them are dropped when it is disposed of.
 *
 * @throws ConfigurationError when the role may not create them
 */
export async function createScratchDatabase(
  server: ConnectionSettings,
  manifest: Manifest,
  supplement: Supplement,
  context: Context,
): Promise<ScratchDatabase> {
  const database = nameScratchDatabase(manifest.id);
  const settings = { ...server, database };
  const roles: string[] = [];
  const notCarried: Manifest['notCarried'] = [];
  await using made = new AsyncDisposableStack();
  try {
    append(notCarried, await createDatabase(server, database, manifest, supplement, context));
    made.defer(() => dropScratchDatabase(server, database, roles, context));
    await using session = await openSession(settings, context.signal);
    const plan = await planRoles(session, supplement.roles, manifest.facts.roles, 'scratch');
    append(
      roles,
      plan.created.map(({ name }) => name),
    );
    await createRolesOf(session, plan);
  } catch (cause) {
    context.signal.throwIfAborted();
    throw new ConfigurationError(
      say`${nameInput(server.input)}: the scratch database cannot be created (${messageOf(cause)})`,
      'Use a separate server for this, and a role that can create databases and roles there.',
      cause,
    );
  }
  const kept = made.move();
  return { settings, notCarried, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function createDatabase(
  server: ConnectionSettings,
  database: string,
  { source }: Manifest,
  { definitions }: Supplement,
  context: Context,
): Promise<Manifest['notCarried']> {
  await using session = await openSession(server, context.signal);
  await dropLeftover(session, database);
  const create = (options: string) =>
    session.query(`CREATE DATABASE ${quoteIdentifier(database)} TEMPLATE template0 ${options}`);
  const encoding = `ENCODING ${quoteLiteral(source.encoding)}`;
  const locale = findLocale(definitions);
  if (locale === undefined) {
    await create(encoding);
    return [];
  }
  try {
    await create(writeLocale(locale, session.serverVersion));
    context.log.info(`Its collation is the source's, ${describeCollation(locale)} in ${locale.encoding}`);
    return [];
  } catch (error) {
    if (!isRefusedLocale(error)) throw error;
    await create(encoding);
    return [describeLocale(locale, messageOf(error), await readLocaleOf({ ...server, database }, context))];
  }
}

/**
 * Drops what a killed drill has left.
 *
 * @throws Error when a database of that name belongs to another role
 */
async function dropLeftover(session: Session, database: string): Promise<void> {
  const [found] = await session.query<{ own: boolean; owner: string }>(
    'SELECT pg_get_userbyid(datdba) = current_user AS own, pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = $1',
    [database],
  );
  if (found === undefined) return;
  if (!found.own)
    throw new Error(`there is a database ${database} already, and it belongs to ${found.owner}`);
  await session.query(`DROP DATABASE ${quoteIdentifier(database)} WITH (FORCE)`);
}

const refusedLocale = new Set<string>([
  sqlState.invalidParameterValue,
  sqlState.wrongObjectType,
  sqlState.undefinedObject,
  sqlState.featureNotSupported,
  sqlState.invalidName,
]);

/**
 * Whether the server lacks the locale, lacks it for this encoding, or lacks the provider; another CREATE
 * DATABASE may succeed.
 */
function isRefusedLocale(error: unknown): boolean {
  return refusedLocale.has((error as { code?: string }).code ?? '');
}

async function readLocaleOf(settings: ConnectionSettings, context: Context): Promise<DatabaseLocale> {
  await using session = await openSession(settings, context.signal);
  return await readLocale(session);
}

function describeLocale(
  wanted: DatabaseLocale,
  refusal: string,
  made: DatabaseLocale,
): Manifest['notCarried'][number] {
  return {
    what: 'collation of the database',
    why: `the source's is ${describeCollation(wanted)} in ${wanted.encoding}, and this server refuses it (${refusal}); the scratch database has ${describeCollation(made)} in ${made.encoding}, and text may sort differently`,
    remedy: 'Use a server that has this collation, to check also what depends on the sort order of text.',
  };
}

/** Drops what was created, even when the run has been told to stop. */
async function dropScratchDatabase(
  server: ConnectionSettings,
  database: string,
  roles: readonly string[],
  context: Context,
): Promise<void> {
  try {
    await using session = await openSession(server);
    await session.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(database)} WITH (FORCE)`);
    for (const role of roles) await session.query(`DROP ROLE IF EXISTS ${quoteIdentifier(role)}`);
    context.log.info(`The throwaway database ${database} is dropped`);
  } catch (error) {
    context.log.warn(
      `the scratch objects on ${describeConnection(server)} could not be dropped: ${messageOf(error)}`,
    );
  }
}
