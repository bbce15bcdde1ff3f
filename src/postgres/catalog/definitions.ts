import type { Definition } from '../../format/supplement.ts';
import { compareKeys } from '../../values/ordering.ts';
import type { Session } from '../session/connection.ts';
import { buildDefinitionsQuery } from './definition-queries.ts';

/**
 * Describes every definition that no extension owns. The lines and their order depend neither on oids nor on the order of catalogs or
 * grants, so that a copy of the database has the same, but for what the server prints in words of its own: that is marked off in the details
 * (printed-text.ts).
 *
 * @param session without a search_path and with the output settings of `applySettings`, as all of ours
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
