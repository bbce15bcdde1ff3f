import { html, type Markup, prose, time } from '../../../report/html.ts';
import { formatCounted, formatDuration } from '../../../report/quantity.ts';
import { listFailures, type RecordedFailure } from '../../../repository/backups/findings.ts';
import { day } from '../../../values/duration.ts';
import type { DatabaseFacts } from '../facts.ts';
import { renderMark, renderShape } from './marks.ts';
import { renderTable } from './tables.ts';

const alarmDays = 30;
const shownFailures = 200;

/** Lists what failed in the last 30 days: each of these raised an alarm, where alarms are set up. */
export function renderAlarms({ freshness, records, status }: DatabaseFacts, isPublic: boolean): Markup {
  const begin = status.at.getTime() - alarmDays * day;
  const failures = listFailures(freshness, records.restores, records.runs).filter(
    ({ at }) => at.getTime() >= begin,
  );
  if (failures.length === 0) {
    const known =
      records.runs.length === 0 ? ' No run was recorded: see which version takes the backups.' : '';
    return html`<p class="with-mark">${renderShape('good')}Nothing that is recorded failed in the last ${alarmDays} days.${known}</p>`;
  }
  return html`<p>${formatCounted(failures.length, 'failure')} in the last ${alarmDays} days: runs that failed, and what validations, drills and restores found${failures.length > shownFailures ? `; the newest ${shownFailures} are shown` : ''}.</p>
${renderTable({
  caption: 'Failures, newest first (UTC)',
  columns: ['when', 'what', ...(isPublic ? [] : ['message', 'do'])],
  rows: failures.slice(0, shownFailures).map((failure) => {
    const { what, message, next } = tell(failure);
    return [time(failure.at), renderMark('broken', what), ...(isPublic ? [] : [message, prose(next)])];
  }),
})}`;
}

function tell(failure: RecordedFailure): { what: string; message: string; next: string } {
  switch (failure.kind) {
    case 'damage':
      return {
        what: 'validate found damage',
        message: failure.damaged.join(', '),
        next: 'Run `backup`: a full one stores anew what backups lack, and after damaged changes every time can be recovered again.',
      };
    case 'drill':
      return {
        what: `drill of ${failure.backup}`,
        message: failure.why ?? 'the reason was not recorded',
        next: 'Mend it, and drill again.',
      };
    case 'slow-drill':
      return {
        what: `drill of ${failure.backup}, too slow`,
        message: `it took ${formatDuration(failure.took)}, and its target is ${formatDuration(failure.target)}`,
        next: 'See in its report which phase takes the time.',
      };
    case 'restore':
      return {
        what: `restore of ${failure.backup}`,
        message: `into ${failure.target}: ${failure.why ?? 'it differs from the backup'}`,
        next: 'See its report.',
      };
    case 'run':
      return {
        what: failure.operation,
        message: failure.message,
        next: failure.next ?? 'See the report of the run.',
      };
  }
}
