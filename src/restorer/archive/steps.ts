import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';

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
  // A view that groups by a primary key, and whatever stands on it
  'definitions that need keys',
  'foreign keys',
  'triggers and policies',
  // They may take away what the steps before need, even from the owner, and give to others what those steps protect.
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

/** Come right after what they are about. */
const attached = new Set(['COMMENT', 'SECURITY LABEL']);

/** Whether an entry says something about another one, and makes nothing itself. */
export function isAttached({ kind }: ArchiveEntry): boolean {
  return attached.has(kind);
}

/**
 * Whether an entry of a step that uses several connections comes after the others, one by one: what is attached needs them, and what is given
 * to an owner may be refused that, which several processes cannot tell apart.
 */
export function comesAlone(entry: ArchiveEntry): boolean {
  return isAttached(entry) || entry.kind === 'STATISTICS';
}

/** Whether pg_restore may use several connections for a step. */
export function isParallel(step: Step): boolean {
  return step === 'indexes and constraints' || step === 'foreign keys' || step === 'materialized views';
}

/**
 * Gives every entry its step: that of its kind, or a later one where it needs what only comes later, however deep. Within a step the
 * archive's order stays, in which nothing comes before what it needs.
 */
export function splitIntoSteps(entries: readonly ArchiveEntry[]): Map<Step, ArchiveEntry[]> {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const found = new Map<ArchiveEntry, number>();
  const findStep = (entry: ArchiveEntry): number => {
    const known = found.get(entry);
    if (known !== undefined) return known;
    const own = steps.indexOf(findOwnStep(entry, byId));
    // In a circle it is the first that comes first.
    found.set(entry, own);
    const needs = entry.needs.flatMap((id) => byId.get(id) ?? []).map(findStep);
    const step = findRoom(entry, own, Math.max(own, ...needs));
    found.set(entry, step);
    return step;
  };
  return Map.groupBy(entries, (entry) => steps[findStep(entry)] as Step);
}

function findOwnStep(entry: ArchiveEntry, byId: ReadonlyMap<number, ArchiveEntry>): Step {
  // To a table that is there, with indexes that it would make of its own.
  const isForeign = entry.kind === 'TABLE ATTACH' && !entry.needs.every((id) => byId.has(id));
  return isForeign ? 'indexes of partitions' : (stepOfKind.get(entry.kind) ?? 'definitions');
}

/** The first step, from the given one on, that takes what is not of its kind. */
function findRoom(entry: ArchiveEntry, own: number, from: number): number {
  if (own === from || isAttached(entry)) return from;
  const open: readonly Step[] = ['definitions that need keys', 'triggers and policies', 'event triggers'];
  return open.map((step) => steps.indexOf(step)).find((step) => step >= from) ?? from;
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
