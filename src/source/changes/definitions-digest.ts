import { createHmac } from 'node:crypto';
import type { Definition } from '../../format/supplement.ts';
import { besideDefinitions } from '../../postgres/catalog/description.ts';
import type { Repository } from '../../repository/open.ts';
import { compare } from '../../values/ordering.ts';

/** What tells a table from all others there ever were, and from itself with other columns */
export interface TableIdentity {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly fingerprint: string;
}

/**
 * What all definitions of a database are, as 64 hexadecimal digits that tell nothing to one without the key. A table that was dropped
 * and made again is another, although it looks the same. The order of the arguments' elements does not count, nor do definitions that no
 * change of rows depends on.
 */
export function digestDefinitions(
  { key }: Pick<Repository, 'key'>,
  definitions: readonly Definition[],
  tables: readonly TableIdentity[],
): string {
  const lines: string[] = [];
  for (const { kind, schema, relation, name, detail } of definitions) {
    if (besideDefinitions.has(kind)) continue;
    lines.push(JSON.stringify([kind, schema, relation, name, detail]));
  }
  for (const { oid, schema, name, fingerprint } of tables) {
    lines.push(JSON.stringify([oid, schema, name, fingerprint]));
  }
  const hmac = createHmac('sha256', key).update('definitions\0');
  // By code units, as everything that has to come to the same on every machine.
  for (const line of lines.sort(compare)) {
    hmac.update(`${line}\n`);
  }
  return hmac.digest('hex');
}
