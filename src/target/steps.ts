import type { ArchiveEntry } from '../postgres/archive.ts';

/**
 * The order of a restore. It is pg_restore's own order of sections and passes, with two differences: rows are ours and come
 * after the definitions, and only what is heavy and independent runs in parallel. `pg_restore --jobs` goes wrong with partitions:
 * a trigger disabled on a partition may come before the trigger of its parent, two attached indexes may each miss that the
 * other has made the parent's index complete, and a foreign key may come before the key it refers to is complete.
 */
export const steps = [
  'definitions',
  'sequences and large objects',
  'indexes and constraints',
  'indexes of partitions',
  'foreign keys',
  'triggers and policies',
  'materialized views',
  'event triggers',
] as const;

export type Step = (typeof steps)[number];

const stepOfKind: ReadonlyMap<string, Step> = new Map([
  ...['TABLE DATA', 'SEQUENCE SET', 'BLOB', 'BLOBS', 'BLOB METADATA', 'BLOB COMMENTS', 'STATISTICS DATA'].map(
    (kind) => [kind, 'sequences and large objects'] as const,
  ),
  ...['INDEX', 'CONSTRAINT', 'CHECK CONSTRAINT', 'STATISTICS'].map(
    (kind) => [kind, 'indexes and constraints'] as const,
  ),
  ['INDEX ATTACH', 'indexes of partitions'],
  ['FK CONSTRAINT', 'foreign keys'],
  ...[
    'TRIGGER',
    'RULE',
    'POLICY',
    'ROW SECURITY',
    'PUBLICATION',
    'PUBLICATION TABLE',
    'PUBLICATION TABLES IN SCHEMA',
    'SUBSCRIPTION',
    'SUBSCRIPTION TABLE',
    // Grants may take away what the steps before need, even from the owner.
    'ACL',
    'DEFAULT ACL',
  ].map((kind) => [kind, 'triggers and policies'] as const),
  ['MATERIALIZED VIEW DATA', 'materialized views'],
  ['EVENT TRIGGER', 'event triggers'],
]);

/** Come right after what they are about. */
const attached = new Set(['COMMENT', 'SECURITY LABEL']);

/** Whether pg_restore may use several connections for a step. */
export function isParallel(step: Step): boolean {
  return step === 'indexes and constraints' || step === 'foreign keys' || step === 'materialized views';
}

/** Gives every entry its step; within a step the archive's order stays. */
export function splitIntoSteps(entries: readonly ArchiveEntry[]): Map<Step, ArchiveEntry[]> {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const findStep = (entry: ArchiveEntry): Step => {
    // To a table that is there, with indexes that it would make of its own.
    const isForeign = entry.kind === 'TABLE ATTACH' && !entry.needs.every((id) => byId.has(id));
    const own = isForeign ? 'indexes of partitions' : stepOfKind.get(entry.kind);
    if (own !== undefined) return own;
    if (!attached.has(entry.kind)) return 'definitions';
    const owners = entry.needs.map((id) => byId.get(id)).filter((need) => need !== undefined);
    const order = owners.map((owner) => steps.indexOf(findStep(owner)));
    return steps[Math.max(0, ...order)] as Step;
  };
  return Map.groupBy(entries, findStep);
}

/**
 * The order in which pg_restore carries out a list that it is given as a whole: grants come last, because they may take away what the rest
 * needs, and event triggers after them (_tocEntryRestorePass in pg_backup_archiver.c). A list that is cut in pieces has to be in it.
 */
export function sortByPass(entries: readonly ArchiveEntry[]): ArchiveEntry[] {
  return entries.toSorted((one, other) => findPass(one) - findPass(other));
}

function findPass({ kind, name }: ArchiveEntry): number {
  if (kind === 'ACL' || kind === 'DEFAULT ACL') return 1;
  if (kind === 'EVENT TRIGGER' || kind === 'MATERIALIZED VIEW DATA') return 2;
  return attached.has(kind) && name.startsWith('EVENT TRIGGER ') ? 2 : 0;
}

/**
 * The indexes, constraints and statistics objects of one table. Those that need nothing but the table can be built as soon as its
 * rows are there; the index of a partition needs that of its parent, and waits.
 *
 * @param oid the table's, in the source
 */
export function findOwnIndexes(
  steps: ReadonlyMap<Step, readonly ArchiveEntry[]>,
  oid: number,
): { ready: ArchiveEntry[]; waiting: ArchiveEntry[] } {
  const table = steps.get('definitions')?.find((entry) => entry.kind === 'TABLE' && entry.oid === oid);
  const indexes = steps.get('indexes and constraints') ?? [];
  const inStep = new Set(indexes.map((entry) => entry.id));
  const own = indexes.filter((entry) => table !== undefined && entry.needs.includes(table.id));
  const waits = (entry: ArchiveEntry) => entry.needs.some((id) => inStep.has(id));
  return { ready: own.filter((entry) => !waits(entry)), waiting: own.filter(waits) };
}
