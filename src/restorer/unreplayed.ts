import type { Manifest, TableEntry } from '../format/manifest.ts';
import type { Omission } from '../parity/scope.ts';
import { about } from '../parity/subject.ts';
import { qualifiedName } from '../postgres/catalog/tables.ts';
import type { Recovery } from './choose.ts';

/** What a recovery leaves as the backup has it. */
export interface Unreplayed {
  readonly notCarried: readonly Omission[];
  /** Tables that stay as they are, by oid */
  readonly tables: ReadonlySet<number>;
}

/**
 * Reports restored tables whose changes are not in the captured log, or not in a form that can be replayed,
 * and large objects, whose changes no slot tells.
 */
export function toUnreplayed(
  recovery: Recovery | undefined,
  manifest: Manifest,
  tables: readonly TableEntry[],
): Unreplayed {
  if (recovery === undefined) return { notCarried: [], tables: new Set() };
  const reasons = new Map(
    recovery.segments.flatMap(({ uncovered }) => uncovered.map((table) => [qualifiedName(table), table.why])),
  );
  const notCarried: Omission[] = [];
  const staying = new Set<number>();
  for (const table of tables) {
    const why = reasons.get(qualifiedName(table));
    if (why === undefined && table.persistence === 'permanent') continue;
    staying.add(table.oid);
    notCarried.push(
      why === undefined
        ? {
            ...about({ kind: 'changes', table }),
            why: "the table is unlogged, so its changes are not in the server's write-ahead log",
            remedy: 'Run ALTER TABLE … SET LOGGED in the source to include it.',
          }
        : {
            ...about({ kind: 'changes', table }),
            why: `${why}; the table is as in the backup`,
            remedy: 'Give it a primary key or REPLICA IDENTITY FULL in the source.',
          },
    );
  }
  if ((manifest.facts.objects['large object'] ?? 0) > 0) {
    notCarried.push({
      what: 'changes of large objects since the backup',
      why: 'a replication slot does not report them; they are as in the backup',
      remedy: 'Restore a newer backup, if you need these changes.',
    });
  }
  return { notCarried, tables: staying };
}
