import type { Manifest } from '../../format/manifest.ts';
import type { BackupInputs } from '../../interface/inputs/types.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { formatCounted } from '../../report/quantity.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import {
  countUnwrittenRows,
  findOrphanedSequences,
  findUnwrittenObjects,
  findUnwrittenSequences,
  type UnwrittenObject,
  type UnwrittenRows,
} from './extension-members.ts';
import { findInSystemSchemas } from './system-schemas.ts';

type Omission = Manifest['notCarried'][number];

/**
 * Lists what pg_dump silently omits: members of extensions, objects on these, and objects in the server's own
 * schemas.
 *
 * @param session under the snapshot, but not the lead session
 */
export async function listUnwritten(
  { backupType }: Pick<BackupInputs, 'backupType'>,
  session: Session,
  snapshot: Snapshot,
): Promise<Omission[]> {
  const [orphaned, sequences, objects, inSystemSchemas] = await Promise.all([
    findOrphanedSequences(session),
    findUnwrittenSequences(session),
    findUnwrittenObjects(session),
    findInSystemSchemas(session),
  ]);
  // Not together with the others: it rolls back to a savepoint when a table cannot be planned.
  const rows = backupType === 'schema' ? [] : await countUnwrittenRows(session, snapshot);
  return [
    ...rows.map(describeRows),
    ...orphaned.map(({ name, table }) => ({
      what: `sequence ${name}`,
      why: `it belongs to ${table}, which is not in the backup`,
      remedy: `As for ${table}.`,
    })),
    ...sequences.map(({ schema, name, extension }) => ({
      what: `value of sequence ${schema}.${name}`,
      why: `it belongs to the extension ${extension}, and pg_dump does not write sequences of extensions`,
      remedy: `If it is yours, remove it from the extension with ALTER EXTENSION ${extension} DROP SEQUENCE, and back up again.`,
    })),
    ...describeObjects(objects),
    ...inSystemSchemas.map((what) => ({
      what,
      why: "it is in one of the server's own schemas, which pg_dump does not write",
      remedy: 'Create it in a schema of your own, or keep its SQL and run it after a restore.',
    })),
  ];
}

function describeRows({ schema, table, extension, rows, condition, added }: UnwrittenRows): Omission {
  const name = `${schema}.${table}`;
  const kept =
    condition === undefined
      ? 'pg_dump does not write tables of extensions'
      : `pg_dump writes only the rows that the extension calls yours (${condition})`;
  return {
    what: added ? `table ${name}` : `rows of ${name}`,
    why: `it belongs to the extension ${extension}, and ${kept}; ${describeAmount(rows)}`,
    remedy: condition === undefined ? adviseTable(name, extension, added) : adviseRows(extension),
  };
}

function describeAmount(rows: UnwrittenRows['rows']): string {
  switch (rows) {
    case 'not readable':
      return 'this role cannot read how many rows';
    case 'not counted':
      return 'its rows could not be counted without calling functions of other roles';
    default:
      return formatCounted(rows, 'row');
  }
}

function adviseTable(name: string, extension: string, added: boolean): string {
  const detach = `ALTER EXTENSION ${extension} DROP TABLE ${name}`;
  if (extension === 'pgmq') {
    return 'Give the role of the backup SELECT on it, and on rows that row security hides BYPASSRLS, and back up again.';
  }
  if (added) return `Take the table out of the extension (${detach}), and back up again.`;
  return `If the rows are yours, take the table out of the extension (${detach}), and back up again. CREATE EXTENSION restores the rows that belong to the extension itself.`;
}

const adviseRows = (extension: string): string =>
  `CREATE EXTENSION ${extension} brings those that it made. What you changed among them, keep as SQL, and run it after a restore.`;

/** Lines for one extension; a script that was run by hand can add more than a reader needs. */
const shownObjects = 20;

function describeObjects(objects: readonly UnwrittenObject[]): Omission[] {
  return [...Map.groupBy(objects, ({ extension }) => extension)].flatMap(([extension, all]) => {
    const more = all.length - shownObjects;
    return [
      ...all.slice(0, shownObjects).map(describeObject),
      ...(more <= 0
        ? []
        : [
            { ...describeObject(all[shownObjects] as UnwrittenObject), what: `${more} more of ${extension}` },
          ]),
    ];
  });
}

function describeObject({ kind, name, extension, how }: UnwrittenObject): Omission {
  return {
    what: `${kind} ${name}`,
    why:
      how === 'added'
        ? `it was added to the extension ${extension}, and pg_dump does not write what belongs to extensions`
        : `it was created on a table of the extension ${extension} later, and pg_dump does not write such objects`,
    remedy:
      how === 'added'
        ? `Take it out of the extension (ALTER EXTENSION ${extension} DROP …), and back up again.`
        : 'If it is yours, keep its SQL and run it after a restore.',
  };
}
