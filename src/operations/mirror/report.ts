import type { Outcome } from '../../interface/outcome.ts';
import { formatBytes, formatCounted, formatDuration } from '../../report/quantity.ts';
import type { CopyOutcome } from '../../repository/copies/outcome.ts';
import { isComplete } from '../../repository/copies/outcome.ts';
import { countValues, describeCopies, tellCopies } from '../sections/copies.ts';
import { isMirrored, type MirrorResult } from './result.ts';

export function describeMirror(result: MirrorResult): Outcome {
  const { copies, isDryRun, source, elapsed } = result;
  const written = copies.filter((copy) => copy.kind === 'mirrored');
  const sum = (of: (copy: (typeof written)[number]) => number) =>
    written.reduce((total, copy) => total + of(copy), 0);
  return {
    exitCode: isMirrored(result) ? 0 : 3,
    found: tellIncomplete(copies),
    outputs: {
      copies: tellCopies(copies),
      copied: sum(({ copied }) => countValues(copied)),
      'new-bytes': sum(({ bytes }) => bytes),
      refused: sum(({ refused }) => refused.length),
      'missing-backups': sum(({ lag }) => lag.missingBackups),
      'duration-seconds': Math.round(elapsed / 100) / 10,
    },
    report: [
      { kind: 'heading', text: titleOf(result), tone: isMirrored(result) ? 'good' : 'bad' },
      {
        kind: 'paragraph',
        text: `From ${source}, in ${formatDuration(elapsed)}: ${formatBytes(sum(({ bytes }) => bytes))} ${isDryRun ? 'would be copied' : 'copied'}.`,
      },
      ...describeCopies(copies, isDryRun),
    ],
  };
}

function titleOf({ copies, isDryRun }: MirrorResult): string {
  if (isDryRun) return `Mirror: a dry run, for ${formatCounted(copies.length, 'copy', 'copies')}`;
  const incomplete = copies.filter((copy) => !isComplete(copy)).length;
  return incomplete === 0
    ? `Mirror: ${formatCounted(copies.length, 'copy is', 'copies are')} up to date`
    : `Mirror: ${incomplete} of ${formatCounted(copies.length, 'copy', 'copies')} NOT up to date`;
}

function tellIncomplete(copies: readonly CopyOutcome[]): string | undefined {
  const incomplete = copies.flatMap((copy) => {
    if (copy.kind === 'failed') return [`${copy.name}: ${copy.error.message}`];
    const [first] = copy.refused;
    return first === undefined
      ? []
      : [
          `${copy.name} lacks ${formatCounted(copy.refused.length, 'file')}, the first ${first.key}: ${first.why}`,
        ];
  });
  return incomplete.length === 0 ? undefined : incomplete.join('; ');
}
