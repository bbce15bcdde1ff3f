import type { Definition } from '../../format/supplement.ts';
import { compareKeys } from '../../values/ordering.ts';
import type { Session } from '../session/connection.ts';
import { buildDefinitionsQuery } from './definition-queries.ts';

/**
 * Describes every definition that no extension owns. The lines and their order depend neither on oids nor on
 * the order of catalogs or grants, so a copy of the database gives the same lines. The only exception is text
 * that the server prints in its own form: it is marked in the details (printed-text.ts).
 *
 * @param session with an empty search_path and the output settings of `applySettings`, as in all our sessions
 */
export async function readDefinitions(session: Session): Promise<Definition[]> {
  const rows = await session.query<Definition & Record<string, string | null>>(
    buildDefinitionsQuery(session.serverVersion),
  );
  return sortDefinitions(rows.map((row) => ({ ...row })));
}

export function sortDefinitions(lines: Definition[]): Definition[] {
  return lines.sort((one, other) => compareKeys(keyOf(one), keyOf(other)));
}

const keyOf = (line: Definition) => [
  line.kind,
  line.schema ?? '',
  line.relation ?? '',
  line.name,
  line.detail,
];
