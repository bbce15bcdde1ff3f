import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';

/**
 * The order of a restore. It is pg_restore's own order of sections and passes, with two differences: rows are
 * ours and come after the definitions, and only what is heavy and independent runs in parallel.
 * `pg_restore --jobs` goes wrong with partitions: a trigger disabled on a partition may come before the
 * trigger of its parent, two attached indexes may each miss that the other has made the parent's index
 * complete, and a foreign key may come before the key it refers to is complete.
 */
export const steps = [
  'definitions',
  'sequences and large objects',
  'indexes and constraints',
  'indexes of partitions',
  // Views that group by a primary key, and what depends on them
  'definitions that need keys',
  'foreign keys',
  'triggers and policies',
  // Grants may take away rights that earlier steps need, even from the owner, and give others what those
  // steps protect.
  'grants',
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
  ].map((kind) => [kind, 'triggers and policies'] as const),
  ['ACL', 'grants'],
  ['DEFAULT ACL', 'grants'],
  ['MATERIALIZED VIEW DATA', 'materialized views'],
  ['EVENT TRIGGER', 'event triggers'],
]);

/** Kinds that come right after the object that they describe. */
const attached = new Set(['COMMENT', 'SECURITY LABEL']);

/** Whether an entry only describes another one, and creates nothing. */
export function isAttached({ kind }: ArchiveEntry): boolean {
  return attached.has(kind);
}

/**
 * Whether an entry of a parallel step comes after the others, one by one. Attached entries need the others. A
 * statistics object is given to an owner, and the output of several processes does not tell for which entry
 * that was refused.
 */
export function comesAlone(entry: ArchiveEntry): boolean {
  return isAttached(entry) || entry.kind === 'STATISTICS';
}

/** Whether pg_restore may use several connections for a step. */
export function isParallel(step: Step): boolean {
  return step === 'indexes and constraints' || step === 'foreign keys' || step === 'materialized views';
}

/**
 * Assigns every entry to a step: that of its kind, or a later one where it needs, directly or indirectly, an
 * entry of a later step. Within a step the archive's order stays, in which every entry comes after what it
 * needs.
 */
export function splitIntoSteps(entries: readonly ArchiveEntry[]): Map<Step, ArchiveEntry[]> {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const found = new Map<ArchiveEntry, number>();
  const findStep = (entry: ArchiveEntry): number => {
    const known = found.get(entry);
    if (known !== undefined) return known;
    const own = steps.indexOf(findOwnStep(entry, byId));
    // Provisional, so that the recursion ends in a circle of dependencies.
    found.set(entry, own);
    const needs = entry.needs.flatMap((id) => byId.get(id) ?? []).map(findStep);
    const step = findRoom(entry, own, Math.max(own, ...needs));
    found.set(entry, step);
    return step;
  };
  return Map.groupBy(entries, (entry) => steps[findStep(entry)] as Step);
}

function findOwnStep(entry: ArchiveEntry, byId: ReadonlyMap<number, ArchiveEntry>): Step {
  // The parent exists in the target. Attached earlier, the partition would get indexes like its parent's
  // besides its own.
  const isForeign = entry.kind === 'TABLE ATTACH' && !entry.needs.every((id) => byId.has(id));
  return isForeign ? 'indexes of partitions' : (stepOfKind.get(entry.kind) ?? 'definitions');
}

/** The first step, from the given one on, that accepts entries of other kinds. */
function findRoom(entry: ArchiveEntry, own: number, from: number): number {
  if (own === from || isAttached(entry)) return from;
  const open: readonly Step[] = ['definitions that need keys', 'triggers and policies', 'event triggers'];
  return open.map((step) => steps.indexOf(step)).find((step) => step >= from) ?? from;
}

/**
 * The indexes, constraints and statistics objects of one table. Those that need only the table can be built
 * as soon as its rows are there; the index of a partition needs that of its parent, and waits.
 *
 * @param oid of the table in the source
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
