import type { Definition } from '../../format/supplement.ts';
import type { Omission } from '../../parity/scope.ts';
import { about, type OmissionSubject } from '../../parity/subject.ts';
import { readDefinitions } from '../../postgres/catalog/definitions.ts';
import { quoteIdentifier, quoteQualified, unquoteIdentifier } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { isReservedRole } from '../../supabase/reserved-roles.ts';
import { omit, type Statement, tryStatement } from '../omission.ts';

/**
 * Grants the user's own roles what they had on objects of the platform. All other grants on these objects are
 * the target's. The archive has them together in lists that only the owner could apply.
 *
 * @param wanted the definitions of the backup
 * @param managed names of the target's schemas that are the platform's
 * @returns what the server refused
 */
export async function grantToUsers(
  session: Session,
  wanted: readonly Definition[],
  managed: ReadonlySet<string>,
): Promise<Omission[]> {
  const grants = wanted.filter(
    (definition) =>
      definition.kind === 'grant' &&
      (definition.schema === null ? isOnSchema(definition, managed) : managed.has(definition.schema)),
  );
  if (grants.length === 0) return [];
  const found = await readDefinitions(session);
  const there = new Set(found.map(identify));
  const sequences = new Set(
    found.filter(({ kind }) => kind === 'sequence').map(({ schema, name }) => `${schema}.${name}`),
  );
  const tried = grants
    .filter((grant) => !there.has(identify(grant)))
    .map((grant) => ({ grant, ...write(grant, sequences.has(`${grant.schema}.${grant.relation}`)) }));
  const answers = new Map<Definition, string | undefined>();
  for (const { grant, sql } of tried) answers.set(grant, await tryStatement(session, sql));
  // The server only warns a role that may do something with the object but not grant it, so the catalog is
  // read again.
  const now = new Set((await readDefinitions(session)).map(identify));
  return tried
    .filter(({ grant }) => !now.has(identify(grant)))
    .map(({ grant, ...statement }) => omit(statement, answers.get(grant) ?? 'no privileges were granted'));
}

/**
 * Whether it is a grant on a schema of the platform, as in `schema storage to reader`, to a role of the user.
 * The platform decides what its own roles may do there.
 */
function isOnSchema({ name }: Definition, managed: ReadonlySet<string>): boolean {
  const { schema, grantee } = readSchemaGrant(name);
  return managed.has(unquoteIdentifier(schema)) && !isReservedRole(unquoteIdentifier(grantee));
}

function readSchemaGrant(name: string): { schema: string; grantee: string } {
  const identifier = '("(?:[^"]|"")*"|[a-z_][a-z0-9_$]*)';
  const [, schema = '', grantee = ''] =
    new RegExp(`^schema ${identifier} to ${identifier}$`, 's').exec(name) ?? [];
  return { schema, grantee };
}

const identify = ({ kind, schema, relation, name, detail }: Definition) =>
  JSON.stringify([kind, schema, relation, name, detail]);

/**
 * Writes a definition of kind `grant`: `SELECT, UPDATE with grant option` to `reader`, or to
 * `email to reader` for a column.
 */
function write({ schema, relation, name, detail }: Definition, isSequence: boolean): Statement {
  if (schema === null) return writeSchemaGrant(name, detail);
  const [, target = '', grantee = quoteIdentifier(name)] =
    /^(.*) to ("(?:[^"]|"")*"|[a-z_][a-z0-9_$]*)$/s.exec(name) ?? [];
  const sql = detail.split(', ').map((privilege) => {
    const [word = '', option = ''] = privilege.split(/(?= with grant option)/);
    if (relation === null) {
      // A function's signature has types as the server prints them, and its name without quotes.
      const [, routine = '', types = ''] = /^(.*)(\(.*\))$/s.exec(target) ?? [];
      return `GRANT ${word} ON ROUTINE ${quoteQualified(schema ?? '', routine)}${types} TO ${grantee}${option}`;
    }
    const on = `${isSequence ? 'SEQUENCE ' : ''}${quoteQualified(schema ?? '', relation)}`;
    return `GRANT ${word}${target === '' ? '' : ` (${target})`} ON ${on} TO ${grantee}${option}`;
  });
  const granted: OmissionSubject =
    relation === null
      ? { kind: 'object', type: 'grant', schema, name }
      : { kind: 'part', type: 'grant', table: { schema, name: relation }, name };
  return { ...about(granted), sql: sql.join('; ') };
}

function writeSchemaGrant(name: string, detail: string): Statement {
  const { schema, grantee } = readSchemaGrant(name);
  const sql = detail.split(', ').map((privilege) => {
    const [word = '', option = ''] = privilege.split(/(?= with grant option)/);
    return `GRANT ${word} ON SCHEMA ${schema} TO ${grantee}${option}`;
  });
  return { ...about({ kind: 'object', type: 'grant', schema: null, name }), sql: sql.join('; ') };
}
