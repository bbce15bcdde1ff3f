import type { Outcome } from '../../interface/outcome.ts';
import { formatBytes, formatCount, formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { countValues, describeRefusals } from '../sections/copies.ts';
import { isHealed, type RepairResult } from './result.ts';

export function describeRepair(result: RepairResult): Outcome {
  const { healed, isConfigHealed, bytes, lost, checked, elapsed } = result;
  return {
    exitCode: isHealed(result) ? 0 : 3,
    found: tellLost(lost),
    outputs: {
      healed: countValues(healed) + (isConfigHealed ? 1 : 0),
      'new-bytes': bytes,
      refused: lost.length,
      lost: JSON.stringify(lost),
      'objects-checked': checked.byStore + checked.byReading,
      'duration-seconds': Math.round(elapsed / 100) / 10,
    },
    report: [
      {
        kind: 'heading',
        text: titleOf(result),
        tone: isHealed(result) ? 'good' : 'bad',
      },
      ...describeLost(result),
      describeFigures(result),
    ],
  };
}

function tellLost([first, ...others]: RepairResult['lost']): string | undefined {
  if (first === undefined) return undefined;
  const more = others.length === 0 ? '' : `, and ${formatCounted(others.length, 'more', 'more')}`;
  return `${first.key}: ${first.why}${more}`;
}

function titleOf({ storage, healed, isConfigHealed, isDryRun, lost }: RepairResult): string {
  const count = countValues(healed) + (isConfigHealed ? 1 : 0);
  const files = formatCounted(count, 'file');
  const what = isDryRun ? `${files} would be healed` : count === 0 ? 'nothing to heal' : `${files} healed`;
  return lost.length === 0
    ? `Repair of ${storage}: ${what}`
    : `Repair of ${storage}: ${what}, ${formatCount(lost.length)} NOT`;
}

function describeFigures(result: RepairResult): Section {
  const { storage, copies, healed, isConfigHealed, bytes, checked, objects, elapsed } = result;
  return {
    kind: 'table',
    columns: [{ title: 'what' }, { title: 'value', align: 'right' }],
    rows: [
      ['storage', storage],
      ['from', copies.join(', ')],
      ...(isConfigHealed ? [['repository.json', 'healed']] : []),
      ...toLine('backups', healed.backups),
      ['objects', `${formatCount(healed.objects)} of ${formatCount(objects)}`],
      ...toLine('segments of changes', healed.changes),
      ...toLine('records', healed.records),
      ['stored again', formatBytes(bytes)],
      [
        'objects found whole',
        `${formatCount(checked.byStore)} by the store, ${formatCount(checked.byReading)} by reading`,
      ],
      ['duration', formatDuration(elapsed)],
    ],
  };
}

/** Of what was not healed there is no line. */
function toLine(title: string, count: number): string[][] {
  return count === 0 ? [] : [[title, formatCount(count)]];
}

function describeLost({ lost }: RepairResult): Section[] {
  if (lost.length === 0) return [];
  return [
    {
      kind: 'paragraph',
      text: 'No copy has these whole. `validate` tells which backups need them; the next backup stores anew the content that the database still has.',
    },
    ...describeRefusals(lost, 'not healed'),
  ];
}
