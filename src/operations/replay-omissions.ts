import type { ArchiveEntry } from '../postgres/archive.ts';
import { qualifiedName } from '../postgres/tables.ts';
import type { Manifest, TableEntry } from '../repository/manifest.ts';
import type { NotCarried } from '../target/attempt.ts';
import type { Recovery } from './choose-recovery.ts';

/** What a recovery to a point in time leaves as the backup has it. */
export interface Unreplayed {
  readonly notCarried: readonly NotCarried[];
  /** Tables that stay as they are, by oid */
  readonly tables: ReadonlySet<number>;
}

/** Of the tables that are restored, those whose changes are not in the captured log, or not in a form that can be replayed. */
export function describeUnreplayed(
  recovery: Recovery | undefined,
  manifest: Manifest,
  tables: readonly TableEntry[],
): Unreplayed {
  if (recovery === undefined) return { notCarried: [], tables: new Set() };
  const reasons = new Map(
    recovery.segments.flatMap(({ uncovered }) => uncovered.map((table) => [qualifiedName(table), table.why])),
  );
  const notCarried: NotCarried[] = [];
  const staying = new Set<number>();
  for (const table of tables) {
    const why = reasons.get(qualifiedName(table));
    if (why === undefined && table.persistence === 'permanent') continue;
    staying.add(table.oid);
    notCarried.push(
      why === undefined
        ? {
            what: changesOf(table),
            why: 'the table is unlogged: what changes it is not in the log of the server',
            remedy: 'ALTER TABLE … SET LOGGED in the source, if it is to be covered.',
          }
        : {
            what: changesOf(table),
            why: `${why}; the table is as the backup has it`,
            remedy: 'Give it a primary key or REPLICA IDENTITY FULL in the source.',
          },
    );
  }
  if ((manifest.facts.objects['large object'] ?? 0) > 0) {
    notCarried.push({
      what: 'changes of large objects since the backup',
      why: 'a replication slot does not tell them; they are as the backup has them',
      remedy: 'Restore a newer backup, if they are needed as they were then.',
    });
  }
  return { notCarried, tables: staying };
}

/** What `describeUnreplayed` calls a table's changes */
export function changesOf(table: { schema: string; name: string }): string {
  return `changes of ${qualifiedName(table)} since the backup`;
}

/** Foreign keys from or to a table that stays as it was: the rows of the other one may have moved on. */
export function findDoubtfulKeys(
  entries: readonly ArchiveEntry[],
  { tables }: Pick<Unreplayed, 'tables'>,
): ArchiveEntry[] {
  const staying = new Set(entries.filter(({ kind, oid }) => kind === 'TABLE' && tables.has(oid)));
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const needsOf = ({ needs }: ArchiveEntry) => needs.flatMap((id) => byId.get(id) ?? []);
  const attached = entries.filter(({ kind }) => kind === 'TABLE ATTACH').map(needsOf);
  // A partitioned table is what its partitions are.
  for (let before = -1; before < staying.size; ) {
    before = staying.size;
    for (const both of attached)
      if (both.some((entry) => staying.has(entry))) for (const entry of both) staying.add(entry);
  }
  return entries.filter(
    (entry) =>
      entry.kind === 'FK CONSTRAINT' &&
      // Its table, and the index of the one that it refers to
      needsOf(entry).some((need) => [need, ...needsOf(need)].some((of) => staying.has(of))),
  );
}
