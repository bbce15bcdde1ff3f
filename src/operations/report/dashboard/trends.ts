import { html, type Markup } from '../../../report/html.ts';
import { formatBytes, formatCount, formatDuration } from '../../../report/quantity.ts';
import type { BackupSummary } from '../../../repository/backups/catalog.ts';
import type { DatabaseFacts } from '../facts.ts';
import { type DayChart, renderDayChart } from './charts.ts';
import { byDay, dayOf, mostDays } from './days.ts';
import { renderUnmeasured } from './tables.ts';

/** Days of an axis at least: with fewer a single bar would fill the picture */
const span = 30;

/** Draws how large the database is, how many rows it has, and how long backups took, by day. */
export function renderTrends(id: string, { status }: DatabaseFacts): Markup {
  const today = dayOf(status.at);
  const backups = status.usable
    .filter(({ snapshotAt }) => today - dayOf(snapshotAt) < mostDays && dayOf(snapshotAt) <= today)
    .toReversed();
  if (backups.length === 0) return renderUnmeasured('there is no backup.');
  const chart = (
    name: string,
    words: Pick<DayChart, 'title' | 'sentence' | 'column' | 'format'>,
    measure: (backup: BackupSummary) => number,
  ) => {
    const values = byDay(backups.map((backup) => ({ at: backup.snapshotAt, value: measure(backup) })));
    return html`<h4>${words.title}</h4>${renderDayChart({ ...{ id: `${id}-${name}`, values, today, span }, ...words })}`;
  };
  return html`${chart(
    'size',
    {
      ...{ title: 'Size of the database', column: 'size', format: formatBytes },
      sentence: 'What the last backup of each day holds, before compression.',
    },
    ({ totals }) => totals.bytes,
  )}
${chart(
  'rows',
  {
    ...{ title: 'Rows', column: 'rows', format: formatCount },
    sentence: 'Rows of all tables in the last backup of each day.',
  },
  ({ totals }) => totals.rows,
)}
${chart(
  'duration',
  {
    ...{ title: 'Duration of backups', column: 'duration', format: formatDuration },
    sentence: 'How long the last backup of each day took; full and incremental ones alike.',
  },
  ({ startedAt, finishedAt }) => Math.max(0, finishedAt.getTime() - startedAt.getTime()),
)}`;
}
