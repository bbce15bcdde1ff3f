import type { ToolEnvironment } from '../../postgres/client/environment.ts';
import type { ClientTools } from '../../postgres/client/find.ts';
import { runTool } from '../../postgres/client/process.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { ConfigurationError, messageOf, SourceError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { excludePatterns } from './exclude-patterns.ts';

/** A table with a column that has an option reserved for the server. */
interface Example {
  readonly option: string;
  readonly schema: string;
  readonly name: string;
}

/**
 * Makes sure that pg_dump omits column options that the server reserves for itself. A pg_dump of the server's
 * own version does; one of a newer major version may not know them: 18 does not know `pg_attver`, which older
 * majors keep since November 2026. It would write the option into the archive and exit with 0, and no server
 * accepts it.
 *
 * @throws ConfigurationError when pg_dump writes such an option; SourceError when it does not run
 */
export async function checkReservedOptions(
  snapshot: Snapshot,
  client: ClientTools,
  options: { env: ToolEnvironment; signal: AbortSignal },
): Promise<void> {
  const major = Math.floor(snapshot.identity.serverVersion / 10000);
  if (client.major === major) return;
  const examples = await findExamples(snapshot.lead);
  if (examples.length === 0) return;
  const definitions = await dumpDefinitions(examples, snapshot, client, options);
  const set = definitions.split('\n').filter((line) => /^ALTER TABLE .* SET \(/.test(line));
  const written = examples.find(({ option }) => set.some((line) => line.includes(`${option}=`)));
  if (written === undefined) return;
  throw new ConfigurationError(
    `pg_dump ${client.version} does not support PostgreSQL ${major}: it would write the option ${written.option}, which this server uses internally and no server accepts`,
    say`Install postgresql-client-${major} in its newest version, or give the folder of its programs with ${nameInput('client-path')}.`,
  );
}

/**
 * Users may set two options of a column (PostgreSQL manual, ALTER TABLE); all others are the server's own.
 */
async function findExamples(session: Session): Promise<Example[]> {
  return session.query<{ option: string; schema: string; name: string }>(`
    SELECT DISTINCT ON (option) option, n.nspname AS schema, c.relname AS name
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
         LATERAL (SELECT split_part(unnest(a.attoptions), '=', 1) AS option) AS o
    WHERE option NOT IN ('n_distinct', 'n_distinct_inherited') AND a.attnum > 0 AND NOT a.attisdropped
      AND c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
      AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY option`);
}

async function dumpDefinitions(
  examples: readonly Example[],
  snapshot: Snapshot,
  client: ClientTools,
  { env, signal }: { env: ToolEnvironment; signal: AbortSignal },
): Promise<string> {
  const args = [
    ...['--schema-only', '--no-password'],
    ...excludePatterns(examples).map((pattern) => `--table=${pattern}`),
    ...[`--snapshot=${snapshot.exported}`, `--encoding=${snapshot.encoding}`],
    `--lock-wait-timeout=${Math.round(snapshot.lockTimeoutSeconds * 1000)}`,
  ];
  try {
    return (await runTool(client.pgDump, args, { env, signal })).stdout;
  } catch (cause) {
    signal.throwIfAborted();
    throw new SourceError(
      messageOf(cause),
      'Nothing was recorded. Fix what pg_dump reports and run the backup again.',
      cause,
    );
  }
}
