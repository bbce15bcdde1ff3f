import { html, type Markup, name, time } from '../../../report/html.ts';
import { formatBytes, formatCount, formatDuration } from '../../../report/quantity.ts';
import type { BackupSummary } from '../../../repository/backups/catalog.ts';
import type { DatabaseFacts } from '../facts.ts';
import { renderMark, type State } from './marks.ts';
import { type Cell, renderTable, renderUnmeasured } from './tables.ts';

/** Rows that are in the page from the beginning; the script adds older ones on demand. */
export const shownBackups = 200;

/** Lists the backups, newest first. */
export function renderBackups(index: number, { freshness }: DatabaseFacts, isPublic: boolean): Markup {
  const { backups } = freshness.catalog;
  if (backups.length === 0) return renderUnmeasured('there is no backup.');
  const more = backups.length - shownBackups;
  const button = html`<p hidden class="more-backups"><button type="button" data-more="${index}">Show the ${formatCount(more)} older ones</button></p><noscript><p>${formatCount(more)} older ones: <code>list</code> shows all.</p></noscript>`;
  return html`<div data-backups="${index}">${renderTable({
    caption: `Backups, newest first (UTC)${more > 0 ? `; the newest ${shownBackups} of ${formatCount(backups.length)}` : ''}`,
    columns: ['backup', 'of', 'kind', 'state', 'rows', 'size', 'added', 'took'],
    numbers: [4, 5, 6, 7],
    rows: backups
      .slice(0, shownBackups)
      .map((backup) => describeBackup(isPublic ? { ...backup, label: null } : backup)),
  })}</div>${more > 0 ? button : undefined}`;
}

function describeBackup(backup: BackupSummary): Cell[] {
  const { id, snapshotAt, kind, purpose, totals, startedAt, finishedAt, label } = backup;
  const [state, word] = stateOfBackup(backup);
  return [
    html`${name(id)}${label === null ? undefined : html` <span class="quiet">${name(label)}</span>`}`,
    time(snapshotAt),
    purpose === 'safety' ? `${kind}, safety` : kind,
    renderMark(state, word),
    formatCount(totals.rows),
    formatBytes(totals.bytes),
    formatBytes(totals.added),
    formatDuration(Math.max(0, finishedAt.getTime() - startedAt.getTime())),
  ];
}

export function stateOfBackup({ damagedAt, verifiedAt, drilled, pinned }: BackupSummary): [State, string] {
  const pin = pinned ? ', pinned' : '';
  if (damagedAt !== null) return ['broken', `damaged${pin}`];
  if (drilled?.passed) return ['good', `drilled${pin}`];
  return verifiedAt === null ? ['note', `not verified${pin}`] : ['good', `verified${pin}`];
}
