import { createHmac } from 'node:crypto';
import type { Definition } from '../../format/supplement.ts';
import { besideDefinitions } from '../../postgres/catalog/description.ts';
import type { Repository } from '../../repository/open.ts';
import { compare } from '../../values/ordering.ts';

/** The properties that tell a table from all others that ever existed, and from itself with other columns */
export interface TableIdentity {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly fingerprint: string;
}

/**
 * Digests all definitions of a database into 64 hexadecimal digits, which reveal nothing without the key. A
 * table that was dropped and created again is another one, although it looks the same. The order of the
 * elements of both lists does not count, nor do definitions that no change of rows depends on.
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
  // By code unit, so that every machine computes the same digest.
  for (const line of lines.sort(compare)) {
    hmac.update(`${line}\n`);
  }
  return hmac.digest('hex');
}
