import { ConfigurationError, messageOf } from '../errors.ts';
import { openSession } from '../postgres/connection.ts';
import { quoteIdentifier, quoteLiteral } from '../postgres/identifier.ts';
import { type ConnectionSettings, describeConnection } from '../postgres/settings.ts';
import type { Manifest } from '../repository/manifest.ts';
import type { Supplement } from '../repository/supplement.ts';
import { createRolesOf, planRoles } from '../target/roles.ts';
import type { World } from '../world.ts';

export interface Throwaway extends AsyncDisposable {
  /** How to connect to it */
  readonly settings: ConnectionSettings;
}

/**
 * A new database on the server, with the roles that the backup needs. What was made is dropped when it is disposed of.
 *
 * @throws ConfigurationError when the role may not make them
 */
export async function makeThrowaway(
  server: ConnectionSettings,
  manifest: Manifest,
  supplement: Supplement,
  world: World,
): Promise<Throwaway> {
  const database = `supabase_backup_drill_${manifest.id.toLowerCase().replace('-', '_')}`;
  const settings = { ...server, database };
  const roles: string[] = [];
  await using made = new AsyncDisposableStack();
  try {
    await createDatabase(server, database, manifest.source.encoding, world);
    made.defer(() => dropThrowaway(server, database, roles, world));
    const session = await openSession(settings, world.signal);
    try {
      const plan = await planRoles(session, supplement.roles, manifest.facts.roles, 'throwaway');
      roles.push(...plan.created.map(({ name }) => name));
      await createRolesOf(session, plan);
    } finally {
      await session.close();
    }
  } catch (cause) {
    world.signal.throwIfAborted();
    throw new ConfigurationError(
      `${server.input}: the throwaway database cannot be made (${messageOf(cause)})`,
      'Give a server of its own for this, and a role that may create databases and roles there.',
      cause,
    );
  }
  const kept = made.move();
  return { settings, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function createDatabase(
  server: ConnectionSettings,
  database: string,
  encoding: string,
  world: World,
): Promise<void> {
  const session = await openSession(server, world.signal);
  try {
    await session.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(database)} WITH (FORCE)`);
    await session.query(
      `CREATE DATABASE ${quoteIdentifier(database)} TEMPLATE template0 ENCODING ${quoteLiteral(encoding)}`,
    );
  } finally {
    await session.close();
  }
}

/** The run may have been told to stop; what it made goes all the same. */
async function dropThrowaway(
  server: ConnectionSettings,
  database: string,
  roles: readonly string[],
  world: World,
): Promise<void> {
  try {
    const session = await openSession(server);
    try {
      await session.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(database)} WITH (FORCE)`);
      for (const role of roles) await session.query(`DROP ROLE IF EXISTS ${quoteIdentifier(role)}`);
    } finally {
      await session.close();
    }
  } catch (error) {
    world.log.warn(
      `what was made on ${describeConnection(server)} could not be dropped: ${messageOf(error)}`,
    );
  }
}
