import { html, type Markup, name, prose, time } from '../../../report/html.ts';
import { formatCounted } from '../../../report/quantity.ts';
import { locatePage } from '../../../runtime/version.ts';
import type { DatabaseFacts, ReportedDatabase, ReportFacts } from '../facts.ts';
import { renderAlarms } from './alarms.ts';
import { renderBackups } from './backups.ts';
import { renderCalendar } from './calendar.ts';
import { renderCounts } from './counts.ts';
import { renderDrills } from './drills.ts';
import { renderFacts, renderTiles } from './glance.ts';
import { renderHistory } from './history.ts';
import { renderLayers } from './layers.ts';
import { collectManagerData, renderManager } from './manager.ts';
import { renderVerdict } from './marks.ts';
import { renderOverview, sortByState } from './overview.ts';
import { renderPage } from './page.ts';
import { renderReach } from './reach.ts';
import { renderRetention } from './retention-map.ts';
import { renderStorage } from './storage.ts';
import { renderPart } from './tables.ts';
import { renderTrends } from './trends.ts';

/** Renders the dashboard as one HTML file that needs nothing else. */
export function renderDashboard(facts: ReportFacts): string {
  const databases = sortByState(facts.databases);
  const [only] = databases;
  const title =
    databases.length === 1 && only !== undefined
      ? `Backups of ${only.name}`
      : `Backups of ${formatCounted(databases.length, 'database')}`;
  const body = html`<header><h1>${title}</h1>
<p class="quiet">As of ${time(facts.at)} UTC, which is the time zone of the whole page; supabase-backup ${facts.version}. Something is lost right now? ${renderEmergency()} has the commands.</p>
${facts.isPublic ? renderNotice() : undefined}</header>
<main id="main" tabindex="-1">
${databases.length > 1 ? html`<section class="part"><h2>All databases</h2>${renderOverview(databases)}</section>` : undefined}
${databases.map((database, index) => renderDatabase(database, index, facts))}
</main>
<footer><p>Made from what the storage holds, and from nothing else. It does not renew itself: an old page tells an old state. “Not measured” is said where nothing is known.</p></footer>`;
  const data = databases.map((database) =>
    database.kind === 'read' ? collectManagerData(database, facts.isPublic) : null,
  );
  return renderPage({ title, body, data });
}

function renderEmergency(): Markup {
  const page = 'docs/emergency.md';
  const place = locatePage(page);
  return place === page
    ? html`<code>${page}</code> of supabase-backup`
    : html`<a href="${place}">${page}</a>`;
}

function renderNotice(): Markup {
  return html`<p><strong>This page is for everybody.</strong> Public in it: the names of databases, times, sizes, numbers of rows, ids of backups, and whether runs, drills and restores went well. Left out: names of tables, places, targets, people, questions and their answers, messages of failures, and the restore manager.</p>`;
}

function renderDatabase(database: ReportedDatabase, index: number, { isPublic }: ReportFacts): Markup {
  const heading = html`<h2 id="d${index}">${name(database.name)} ${renderVerdict(database)}</h2>`;
  if (database.kind === 'read') {
    return html`<article>${heading}
${isPublic ? undefined : html`<p class="quiet">In <code>${name(database.location)}</code></p>`}
${renderParts(database, index, isPublic)}</article>`;
  }
  const why = html`<p><strong>It could not be read:</strong> ${database.why}</p><p><strong>Do:</strong> ${prose(database.next)}</p>`;
  return html`<article>${heading}${isPublic ? html`<p>It could not be read.</p>` : why}</article>`;
}

const links = {
  manager: 'Restore',
  alarms: 'Failures',
  retention: 'Retention',
  backups: 'Backups',
  history: 'History',
} as const;

function renderLinks(id: string, database: string, isPublic: boolean): Markup {
  const shown = Object.entries(links).filter(([part]) => !(isPublic && part === 'manager'));
  return html`<nav aria-label="Parts of ${database}"><ul class="links">${shown.map(([part, title]) => html`<li><a href="#${id}-${part}">${title}</a></li>`)}</ul></nav>`;
}

function renderParts(facts: DatabaseFacts, index: number, isPublic: boolean): Markup {
  const id = `d${index}`;
  const { managed } = facts.status;
  const restore = html`<section class="part wide manager-part"><h3 id="${id}-manager">Restore</h3>${renderManager(index, facts)}</section>`;
  return html`${renderTiles(facts.status.findings, isPublic)}
${renderLinks(id, facts.name, isPublic)}
${renderFacts(facts)}
<div class="columns">
${renderPart(`${id}-calendar`, 'Calendar', renderCalendar(`${id}-cal`, facts))}
${renderPart(`${id}-reach`, 'Reachable times', renderReach(`${id}-times`, facts, isPublic))}
${renderPart(`${id}-trends`, 'Size and duration', renderTrends(`${id}-trend`, facts))}
${renderPart(`${id}-drills`, 'Drills', renderDrills(`${id}-drill`, facts, isPublic))}
${renderPart(`${id}-storage`, 'Storage and cost', renderStorage(`${id}-store`, facts))}
${isPublic ? undefined : renderPart(`${id}-counts`, 'Critical counts', renderCounts(`${id}-count`, facts))}
</div>
${isPublic ? undefined : restore}
${managed && renderPart(`${id}-layers`, "Supabase's own backups, and these", renderLayers(managed, isPublic), 'wide')}
${renderPart(`${id}-alarms`, 'Failures of 30 days', renderAlarms(facts, isPublic), 'wide')}
${renderPart(`${id}-retention`, 'Retention', renderRetention(facts), 'wide')}
${renderPart(`${id}-backups`, 'Backups', renderBackups(index, facts, isPublic), 'wide')}
${renderPart(`${id}-history`, 'History', renderHistory(facts, isPublic), 'wide')}`;
}
