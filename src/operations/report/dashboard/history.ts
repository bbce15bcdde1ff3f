import { html, type Markup, name, time } from '../../../report/html.ts';
import { formatBytes, formatCounted, formatDuration } from '../../../report/quantity.ts';
import { nameDamaged } from '../../../repository/backups/findings.ts';
import type { DatabaseFacts } from '../facts.ts';
import { judgeRecovery } from '../objective.ts';
import { renderMark, type State } from './marks.ts';
import { type Cell, renderTable, renderUnmeasured } from './tables.ts';

const shownEvents = 200;

interface Event {
  readonly at: Date;
  readonly operation: string;
  readonly state: State;
  readonly what: string;
  /** Undefined: a record of before runs were recorded does not say */
  readonly actor?: string | undefined;
  readonly url?: string | undefined;
}

/** Lists everything that was done with the backups, and by whom: one list, cleanups and failures included. */
export function renderHistory(facts: DatabaseFacts, isPublic: boolean): Markup {
  const events = listEvents(facts);
  if (events.length === 0) return renderUnmeasured('nothing is recorded.');
  return renderTable({
    caption: `What was done, newest first (UTC)${events.length > shownEvents ? `; the newest ${shownEvents} of ${events.length}` : ''}`,
    columns: ['when', 'what', ...(isPublic ? [] : ['result', 'by'])],
    rows: events.slice(0, shownEvents).map((event) => describeEvent(event, isPublic)),
  });
}

function describeEvent({ at, operation, state, what, actor, url }: Event, isPublic: boolean): Cell[] {
  const done = renderMark(state, operation);
  if (isPublic) return [time(at), done];
  const by = actor === undefined ? 'not recorded' : html`${name(actor)}`;
  return [
    time(at),
    done,
    what,
    url === undefined ? by : html`${by} (<a href="${url}" rel="noreferrer">run</a>)`,
  ];
}

/**
 * Merges the records of runs with those of what they did: a run tells who did it, the other what it came to.
 * Newest first.
 */
export function listEvents(facts: DatabaseFacts): Event[] {
  const events = listDeeds(facts);
  const told = Map.groupBy(events, ({ operation }) => operation);
  for (const deeds of told.values()) deeds.sort((one, other) => one.at.getTime() - other.at.getTime());
  const merged = new Map(events.map((event) => [event, event]));
  const places = new Map<string, number>();
  for (const { at, content } of facts.records.runs) {
    const { operation, startedAt, actor, run, outcome } = content;
    const url = safeUrl(run?.url);
    const deeds = told.get(operation) ?? [];
    let place = places.get(operation) ?? 0;
    let isTold = false;
    // Both are in the order of time, so that each deed is looked at once.
    for (; place < deeds.length; place++) {
      const deed = deeds[place];
      if (deed === undefined || deed.at > at) break;
      if (deed.at.getTime() < Date.parse(startedAt)) continue;
      merged.set(deed, { ...deed, actor: deed.actor ?? actor, url });
      isTold = true;
    }
    places.set(operation, place);
    if (isTold) continue;
    const what = content.failure?.message ?? 'done';
    const event: Event = { at, operation, state: outcome === 'done' ? 'good' : 'broken', what, actor, url };
    merged.set(event, event);
  }
  return [...merged.values()].sort((one, other) => other.at.getTime() - one.at.getTime());
}

/** A link leads to a page of a run, and is never a script. */
function safeUrl(url: string | undefined): string | undefined {
  return url !== undefined && /^https:\/\//.test(url) ? url : undefined;
}

function listDeeds({ records, freshness, rtoTarget }: DatabaseFacts): Event[] {
  return [
    ...freshness.catalog.backups.map(({ id, finishedAt, kind, totals }): Event => {
      const what = `${id}, ${kind}, ${formatBytes(totals.bytes)}`;
      return { at: finishedAt, operation: 'backup', state: 'good', what };
    }),
    ...records.validations.map(({ at, content }): Event => {
      const damaged = nameDamaged(content);
      const what = `${formatCounted(content.backups.length, 'backup')} read, ${damaged.length === 0 ? 'none damaged' : `damaged: ${damaged.join(', ')}`}`;
      return { at, operation: 'validate', state: damaged.length === 0 ? 'good' : 'broken', what };
    }),
    ...records.drills.map((drill) => describeDrill(drill, rtoTarget)),
    ...records.restores.map(({ at, content }): Event => {
      const { backup, target, outcome, whole, actor, why } = content;
      const what = `${backup}${whole ? '' : ', a part,'} into ${target}: ${outcome}${why === null ? '' : `, ${why}`}`;
      const state = outcome === 'equal' ? 'good' : outcome === 'unverified' ? 'note' : 'broken';
      return { at, operation: 'restore', state, what, actor };
    }),
    ...records.prunes.map(({ at, content: { removed, objects } }): Event => {
      const what = `removed ${formatCounted(removed.length, 'backup')}, freed ${formatBytes(objects.bytes)}`;
      return { at, operation: 'cleanup', state: 'good', what };
    }),
    ...records.pins.map(({ at, content: { backup, pinned } }): Event => {
      return { at, operation: pinned ? 'pin' : 'unpin', state: 'good', what: backup };
    }),
  ];
}

/** A drill that took longer than it may has not gone well, whatever it found. */
function describeDrill(
  { at, content }: DatabaseFacts['records']['drills'][number],
  pageTarget: number | undefined,
): Event {
  const { backup, outcome, recovery, why } = content;
  const { target, verdict } = judgeRecovery(content, pageTarget);
  const isSlow = verdict === 'not met';
  const took = recovery === null ? '' : ` in ${formatDuration(recovery)}`;
  const late = isSlow && target !== null ? `, longer than the target of ${formatDuration(target)}` : '';
  const what = `${backup} ${outcome}${took}${late}${why === null ? '' : `: ${why}`}`;
  return { at, operation: 'drill', state: outcome === 'passed' && !isSlow ? 'good' : 'broken', what };
}
