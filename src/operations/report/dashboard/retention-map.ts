import { html, type Markup, name, time } from '../../../report/html.ts';
import { formatCounted } from '../../../report/quantity.ts';
import { foreseeRemovals, mostForeseen, outlookLength } from '../../../repository/retention/outlook.ts';
import { day } from '../../../values/duration.ts';
import { formatInterval } from '../../../values/retention-policy.ts';
import type { DatabaseFacts } from '../facts.ts';
import { type Cell, renderTable, renderUnmeasured } from './tables.ts';

const shownDecisions = 200;

/** Lists which rule keeps which backup, and until when: what a cleanup would decide now, and every day from now. */
export function renderRetention({ retention, status }: DatabaseFacts): Markup {
  const { decisions, policy, timeZone, keepChanges } = retention;
  if (decisions.length === 0) return renderUnmeasured('there is no backup.');
  const removals = foreseeRemovals(decisions, policy, { ...retention, now: status.at });
  const kept = decisions.filter(({ keep }) => keep);
  const leaving = decisions.length - kept.length;
  const describe = ({ backup, keep, reasons }: (typeof decisions)[number]): Cell[] => [
    name(backup.id),
    time(backup.snapshotAt),
    reasons.join('; '),
    keep ? tellUntil(backup, removals) : 'the next cleanup',
  ];
  return html`<p>Rules: <code>${writeRules(policy)}</code> in ${timeZone}; any time of the last ${formatInterval(keepChanges)} stays reachable where changes are captured. ${formatCounted(kept.length, 'backup')} stay, ${leaving === 0 ? 'none goes' : `${formatCounted(leaving, 'backup')} go with the next cleanup`}.</p>
${renderTable({
  caption: `Which rule keeps what, and until when (UTC); of ${decisions.length} backups the newest ${Math.min(shownDecisions, decisions.length)}`,
  columns: ['backup', 'of', 'kept by, or let go because', 'until'],
  rows: decisions.slice(0, shownDecisions).map(describe),
})}
<p class="quiet small">Foreseen as if a verified backup came every day, a cleanup after it, and no more changes were captured: those to come keep a backup for up to a day longer.</p>`;
}

function tellUntil(
  { id, pinned }: { readonly id: string; readonly pinned: boolean },
  removals: ReadonlyMap<string, Date> | undefined,
): Cell {
  if (pinned) return 'for good: it is pinned';
  if (removals === undefined) return `not computed for more than ${mostForeseen} backups`;
  const at = removals.get(id);
  return at === undefined
    ? `for more than ${outlookLength / day} days`
    : html`about <time datetime="${at.toISOString().slice(0, 10)}">${at.toISOString().slice(0, 10)}</time>`;
}

function writeRules(policy: DatabaseFacts['retention']['policy']): string {
  const rules = Object.entries(policy)
    .filter(([, value]) => value > 0)
    .map(([rule, value]) => `${rule}=${rule === 'within' ? formatInterval(value) : value}`);
  return rules.join(' ') || 'none';
}
