import type { Outcome } from '../../interface/outcome.ts';
import type { Rebuild, RebuildMode } from '../../records/rebuild.ts';
import type { Verification } from '../../records/verification.ts';
import { formatCount, formatCounted } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { countDifferences, isFaithful, type RecordsResult } from './result.ts';

export function describeRecords(result: RecordsResult): Outcome {
  return result.kind === 'rebuilt' ? describeRebuilt(result) : describeVerified(result);
}

function describeRebuilt({ mode, records, rows }: Rebuild & { readonly mode: RebuildMode }): Outcome {
  const counted = formatCounted(rows, 'row');
  const were = rows === 1 ? 'was' : 'were';
  const title = mode === 'write' ? `${counted} ${were} written` : `${counted} would be written`;
  return {
    exitCode: 0,
    outputs: { records, 'rows-written': rows },
    report: [
      { kind: 'heading', text: `Records: ${title}`, tone: 'good' },
      {
        kind: 'paragraph',
        text: `The repository has ${formatCounted(records, 'record')} of runs, restores and drills. Rows that were as they should be stay untouched, and none is deleted.`,
      },
    ],
  };
}

/** Differences that the report names */
const shownDifferences = 50;

/** Differences in the output, which a runner limits */
const toldDifferences = 1000;

function tellWrong({ differences }: Verification): string | undefined {
  const [first] = differences;
  if (first === undefined) return undefined;
  return `${formatCounted(differences.length, 'row differs', 'rows differ')}; the first, of ${first.table}, ${first.id}, is ${first.kind}`;
}

function describeVerified(verified: Verification): Outcome {
  const { records, differences } = verified;
  const wrong = formatCounted(differences.length, 'row');
  return {
    exitCode: isFaithful(verified) ? 0 : 3,
    found: tellWrong(verified),
    outputs: {
      records,
      'records-missing': countDifferences(verified, 'missing'),
      'records-different': countDifferences(verified, 'different'),
      'records-surplus': countDifferences(verified, 'surplus'),
      'records-differences': JSON.stringify(differences.slice(0, toldDifferences)),
    },
    report: [
      {
        kind: 'heading',
        text: isFaithful(verified)
          ? 'Records: every row is as the repository has it'
          : `Records: ${wrong} ${differences.length === 1 ? 'is' : 'are'} not as the repository has ${differences.length === 1 ? 'it' : 'them'}`,
        tone: isFaithful(verified) ? 'good' : 'bad',
      },
      { kind: 'paragraph', text: describeScope(verified) },
      ...describeDifferences(verified),
    ],
  };
}

function describeScope({ records, deleted, outlived }: Verification): string {
  return [
    `${formatCounted(records, 'record')} of runs, restores and drills compared.`,
    ...(deleted > 0
      ? [
          `Rows of ${formatCounted(deleted, 'record')} were deleted, as change_log tells with who did it; \`records rebuild\` brings them back.`,
        ]
      : []),
    ...(outlived > 0
      ? [
          `${formatCounted(outlived, 'row')} ${outlived === 1 ? 'is' : 'are'} older than what the repository keeps.`,
        ]
      : []),
  ].join(' ');
}

function describeDifferences(verified: Verification): Section[] {
  const { differences } = verified;
  if (differences.length === 0) return [];
  const more = differences.length - shownDifferences;
  const surplus = countDifferences(verified, 'surplus');
  const remedies = [
    ...(more > 0 ? [`${formatCount(more)} more are not shown.`] : []),
    ...(surplus < differences.length
      ? ['`records rebuild` inserts what is missing and corrects what differs.']
      : []),
    ...(surplus > 0
      ? [
          'A surplus row has no record that can be read: somebody inserted it, or the record was removed. Look at change_log, then delete it.',
        ]
      : []),
  ];
  return [
    {
      kind: 'table',
      columns: [{ title: 'row' }, { title: 'table' }, { title: 'id', code: true }, { title: 'measure' }],
      rows: differences
        .slice(0, shownDifferences)
        .map(({ kind, table, id, part }) => [kind, table, id, part]),
    },
    { kind: 'paragraph', text: remedies.join(' ') },
  ];
}
