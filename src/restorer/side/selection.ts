import type { Manifest } from '../../format/manifest.ts';
import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { askForTables } from '../../values/nearest-tables.ts';
import { createSelection, findUnmatched } from '../../values/table-patterns.ts';
import { type ChosenTable, identify } from './tables.ts';

/**
 * Chooses the tables whose rows go into a side schema. Partitions of one root become one table. The archive
 * tells which tables were partitions of which, because the database may have changed since.
 *
 * @throws ConfigurationError naming each pattern that matches no table with rows in the backup
 */
export function chooseSideTables(
  manifest: Manifest,
  contents: readonly ArchiveEntry[],
  { include, exclude }: { include: readonly string[]; exclude: readonly string[] },
): ChosenTable[] {
  const parents = readParents(contents);
  const tables = manifest.tables.map((entry) => ({
    entry,
    ...entry,
    ancestors: findAncestors(entry.oid, parents),
  }));
  const unmatched = findUnmatched(include, tables);
  const isChosen = createSelection(include, exclude);
  const chosen = tables.filter(isChosen);
  if (unmatched.length > 0 || chosen.length === 0) {
    throw new ConfigurationError(
      say`${nameInput('include')}: backup ${manifest.id} has no table with rows that matches ${(unmatched.length > 0 ? unmatched : include).join(', ')}`,
      `${askForTables(unmatched, manifest.tables)}Write names as schema.table or schema.*. \`show\` lists the tables.`,
    );
  }
  const leaves = countLeaves(parents);
  return [...Map.groupBy(chosen, (table) => identify(table.ancestors.at(-1) ?? table)).values()].map(
    (group) => {
      const [first] = group;
      const root = first?.ancestors.at(-1);
      return {
        schema: root?.schema ?? first?.schema ?? '',
        name: root?.name ?? first?.name ?? '',
        parts: group.map(({ entry }) => entry),
        whole: root === undefined || group.length === leaves.get(root.oid),
      };
    },
  );
}

interface Parent {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

/** Maps the oid of each partition to the table that it is attached to. */
function readParents(contents: readonly ArchiveEntry[]): Map<number, Parent> {
  const byId = new Map(contents.map((entry) => [entry.id, entry]));
  const parents = new Map<number, Parent>();
  for (const attachment of contents.filter((entry) => entry.kind === 'TABLE ATTACH')) {
    const [child, parent] = attachment.needs.map((id) => byId.get(id));
    if (!child || parent?.schema === undefined) continue;
    parents.set(child.oid, { oid: parent.oid, schema: parent.schema, name: parent.name });
  }
  return parents;
}

/** The nearest first, the root last. */
function findAncestors(oid: number, parents: ReadonlyMap<number, Parent>): Parent[] {
  const ancestors: Parent[] = [];
  for (let parent = parents.get(oid); parent; parent = parents.get(parent.oid)) ancestors.push(parent);
  return ancestors;
}

/** How many partitions that hold rows each root has, by its oid. */
function countLeaves(parents: ReadonlyMap<number, Parent>): Map<number, number> {
  const inner = new Set([...parents.values()].map(({ oid }) => oid));
  const counts = new Map<number, number>();
  for (const oid of parents.keys()) {
    const root = findAncestors(oid, parents).at(-1);
    if (root !== undefined && !inner.has(oid)) counts.set(root.oid, (counts.get(root.oid) ?? 0) + 1);
  }
  return counts;
}
