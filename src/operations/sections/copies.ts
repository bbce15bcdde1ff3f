import { formatBytes, formatCount, formatCounted } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type {
  CopyLag,
  CopyOutcome,
  MirroredCopy,
  Refusal,
  ValueCounts,
} from '../../repository/copies/outcome.ts';

/** The most lines about what was left out; the output has them all. */
const shownRefusals = 10;

/** Describes what was copied, and what was not. */
export function describeCopies(copies: readonly CopyOutcome[], isDryRun = false): Section[] {
  if (copies.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [
        { title: 'copy' },
        { title: isDryRun ? 'would be copied' : 'copied' },
        { title: 'bytes', align: 'right' },
        { title: 'checked there', align: 'right' },
        { title: 'behind' },
      ],
      rows: copies.map((copy) => [nameOf(copy), ...describeCells(copy)]),
    },
    ...copies.flatMap(describeTrouble),
  ];
}

/** Copies as the output `copies` has them. */
export function tellCopies(copies: readonly CopyOutcome[]): string {
  return JSON.stringify(
    copies.map((copy) => {
      const { name, location } = copy;
      if (copy.kind === 'failed') return { name, location, state: 'failed', why: copy.error.message };
      const { copied, bytes, refused, checked, lag, isNew } = copy;
      return {
        ...{ name, location, state: refused.length === 0 ? 'complete' : 'incomplete' },
        ...{ isNew, copied, bytes, checked, refused },
        lag: {
          newest: lag.newest ?? null,
          missingBackups: lag.missingBackups,
          missingChanges: lag.missingChanges,
          missingBytes: lag.missingBytes ?? null,
          oldestMissing: lag.oldestMissing ?? null,
        },
      };
    }),
  );
}

/** All values, of whatever kind */
export function countValues(counts: ValueCounts): number {
  return Object.values(counts).reduce((sum: number, count: number) => sum + count, 0);
}

/** Says how far a copy is behind. */
export function tellLag({ missingBackups, missingChanges, missingBytes, oldestMissing }: CopyLag): string {
  if (missingBackups + missingChanges === 0) return 'nothing';
  const parts = [
    ...(missingBackups === 0 ? [] : [formatCounted(missingBackups, 'backup')]),
    ...(missingChanges === 0 ? [] : [formatCounted(missingChanges, 'segment')]),
  ];
  const bytes =
    missingBytes === undefined || missingBackups === 0 ? '' : `, about ${formatBytes(missingBytes)}`;
  const since = oldestMissing === undefined ? '' : `, from ${oldestMissing} on`;
  return `${parts.join(' and ')}${bytes}${since}`;
}

function nameOf({ name, location }: CopyOutcome): string {
  return name === location ? name : `${name} (${location})`;
}

function describeCells(copy: CopyOutcome): string[] {
  if (copy.kind === 'failed') return ['FAILED', '', '', ''];
  const { copied, bytes, checked, lag, isNew } = copy;
  return [
    `${isNew ? 'new: ' : ''}${tellCounts(copied)}`,
    formatBytes(bytes),
    tellChecked(copied, checked),
    tellLag(lag),
  ];
}

function tellCounts({ objects, backups, changes, signatures, records }: ValueCounts): string {
  const parts = [
    [backups, 'backup'],
    [objects, 'object'],
    [changes, 'segment'],
    [signatures, 'signature'],
    [records, 'record'],
  ] as const;
  const told = parts.filter(([count]) => count > 0).map(([count, noun]) => formatCounted(count, noun));
  return told.length === 0 ? 'nothing' : told.join(', ');
}

function tellChecked({ objects }: ValueCounts, { byStore, byReading }: MirroredCopy['checked']): string {
  if (objects === 0 || byStore + byReading === 0) return '';
  const parts = [
    ...(byStore === 0 ? [] : [`${formatCount(byStore)} by the store`]),
    ...(byReading === 0 ? [] : [`${formatCount(byReading)} read back`]),
  ];
  return parts.join(', ');
}

function describeTrouble(copy: CopyOutcome): Section[] {
  if (copy.kind === 'failed')
    return [{ kind: 'paragraph', text: `${nameOf(copy)} FAILED: ${copy.error.message}. ${copy.error.next}` }];
  return describeRefusals(copy.refused, `left out of ${nameOf(copy)}`);
}

/** Lists what was left out, and why. */
export function describeRefusals(refused: readonly Refusal[], title: string): Section[] {
  if (refused.length === 0) return [];
  const more = refused.length - shownRefusals;
  return [
    {
      kind: 'table',
      columns: [{ title, code: true }, { title: 'why' }],
      rows: refused.slice(0, shownRefusals).map(({ key, why }) => [key, why]),
    },
    ...(more > 0
      ? [{ kind: 'paragraph' as const, text: `${formatCount(more)} more are in the output.` }]
      : []),
  ];
}
