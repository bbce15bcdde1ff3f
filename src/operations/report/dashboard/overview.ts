import { html, type Markup, name, time } from '../../../report/html.ts';
import { formatAge, formatBytes, formatDuration } from '../../../report/quantity.ts';
import { sumStored } from '../../../repository/stored-bytes.ts';
import { backupKinds } from '../../../schedule/plan/plan.ts';
import type { DatabaseFacts, ReportedDatabase } from '../facts.ts';
import { renderMark, type State, stateOfDatabase, wordOfDatabase } from './marks.ts';
import { type Cell, renderTable } from './tables.ts';

const ranks: Readonly<Record<State, number>> = { broken: 0, warning: 1, note: 2, good: 2 };

/** Sorts databases so that the failed ones come first, and keeps the order of the policy otherwise. */
export function sortByState(databases: readonly ReportedDatabase[]): ReportedDatabase[] {
  return databases.toSorted((one, other) => ranks[stateOfDatabase(one)] - ranks[stateOfDatabase(other)]);
}

/**
 * Renders one line for each database.
 *
 * @param databases in the order of the page, whose parts have the ids `d0`, `d1`, …
 */
export function renderOverview(databases: readonly ReportedDatabase[]): Markup {
  return renderTable({
    caption: 'All databases, failed ones first; times are UTC',
    columns: [
      'database',
      'state',
      'last backup',
      'next backup',
      'would be lost now',
      'recovery',
      'last drill',
      'stored',
    ],
    rows: databases.map((database, index) => {
      const state = stateOfDatabase(database);
      const link = html`<a href="#d${index}">${name(database.name)}</a>`;
      return [
        link,
        renderMark(state, wordOfDatabase(database)),
        ...(database.kind === 'unreadable' ? unknown : describe(database)),
      ];
    }),
  });
}

const unknown: readonly Cell[] = Array.from({ length: 6 }, () => 'not measured');

function describe({ status, planned }: DatabaseFacts): Cell[] {
  const { usable, at, loss, recovery, drilled, stored } = status;
  const since = (then: Date) => `${formatAge(Math.max(0, at.getTime() - then.getTime()))} ago`;
  const [newest] = usable;
  const next = planned?.next.find(({ kind }) => backupKinds.includes(kind));
  return [
    newest === undefined ? 'none' : since(newest.snapshotAt),
    next === undefined ? 'not known' : time(next.at),
    loss === undefined ? 'everything' : formatAge(loss),
    recovery.kind === 'measured' ? formatDuration(recovery.milliseconds) : 'not measured',
    drilled === undefined ? 'never' : since(drilled.at),
    formatBytes(sumStored(stored)),
  ];
}
