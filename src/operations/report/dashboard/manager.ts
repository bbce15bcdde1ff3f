import { tellPredictedTime } from '../../../interface/findings/telling.ts';
import { html, type Markup, name, time } from '../../../report/html.ts';
import { formatBytes, formatCount, formatCounted, formatDuration } from '../../../report/quantity.ts';
import { formatSecond } from '../../../report/time.ts';
import type { BackupSummary } from '../../../repository/backups/catalog.ts';
import { isInterval, roundWindow } from '../../../repository/changes/windows.ts';
import { writePattern } from '../../../values/table-patterns.ts';
import type { DatabaseFacts } from '../facts.ts';
import { stateOfBackup } from './backups.ts';
import { renderUnmeasured } from './tables.ts';
import { confirmingWords, fillIn, keyOf, listSettings, listWays, type Way } from './ways.ts';

/** Tables and backups that can be ticked; others are typed. */
const [listedTables, listedBackups] = [200, 200];
/** Windows that are shown beside the field for a time, the newest */
const shownWindows = 5;

/**
 * What the script of the page knows of a database. Times are milliseconds since 1970; a backup is a row of a
 * list, because thousands are in the page.
 */
export interface ManagerData {
  readonly now: number;
  readonly ways: Readonly<Record<string, Pick<Way, 'preview' | 'command' | 'workflow'>>>;
  readonly words: string;
  readonly backups: readonly (readonly (string | number)[])[];
  /** Id of the backup whose tables `tables` are; null: there is none */
  readonly newest: string | null;
  readonly tables: readonly (readonly [pattern: string, rows: number, bytes: number])[];
  readonly recovery: KnownRecovery | null;
  /** In whole seconds, all of which can be reached */
  readonly windows: readonly (readonly [from: number, to: number])[];
}

/** How long a recovery took or will take, of how much, and how that is known */
interface KnownRecovery {
  readonly milliseconds: number;
  /** Whether it takes that long at least, rather than about */
  readonly isLeast: boolean;
  /** null: how large that backup was is not known any more */
  readonly bytes: number | null;
  readonly basis: string;
}

export function collectManagerData(facts: DatabaseFacts, isPublic: boolean): ManagerData {
  const { at, usable } = facts.status;
  const usableIds = new Set(usable.map(({ id }) => id));
  return {
    now: at.getTime(),
    ways: isPublic
      ? {}
      : Object.fromEntries(
          listWays(facts).map((way) => [
            keyOf(way),
            { preview: way.preview, command: way.command, workflow: way.workflow },
          ]),
        ),
    words: confirmingWords,
    backups: facts.freshness.catalog.backups.map((backup) => packBackup(backup, usableIds)),
    newest: facts.newest?.id ?? null,
    tables: isPublic
      ? []
      : (facts.newest?.tables ?? [])
          .slice(0, listedTables)
          .map((table) => [writePattern(table), table.rows, table.bytes]),
    recovery: describeRecovery(facts),
    windows: listWindows(facts).map(({ first, last }) => [first.getTime(), last.getTime()]),
  };
}

function describeRecovery({ status: { recovery }, freshness }: DatabaseFacts): KnownRecovery | null {
  switch (recovery.kind) {
    case 'measured': {
      const { milliseconds, backup } = recovery;
      const bytes = freshness.catalog.backups.find(({ id }) => id === backup)?.totals.bytes ?? null;
      const size = bytes === null ? '' : ` of ${formatBytes(bytes)}`;
      return {
        milliseconds,
        isLeast: false,
        bytes,
        basis: `as the last drill measured with ${backup}${size}`,
      };
    }
    case 'predicted': {
      const { milliseconds, bytes, basis } = recovery.prediction;
      const isLeast = basis !== 'restores';
      const speed = isLeast ? 'full backups' : 'whole restores';
      return {
        milliseconds,
        isLeast,
        bytes,
        basis: `predicted by the speed of ${speed}, for no drill has measured it`,
      };
    }
    case 'unmeasured':
      return null;
  }
}

/** Lists the times of which any second can be reached, oldest first. */
function listWindows({ recoverable }: DatabaseFacts) {
  return recoverable.windows
    .filter(isInterval)
    .map(roundWindow)
    .filter((window) => window !== undefined);
}

function packBackup(backup: BackupSummary, usableIds: ReadonlySet<string>): (string | number)[] {
  const { id, snapshotAt, kind, purpose, totals, startedAt, finishedAt } = backup;
  const took = Math.max(0, finishedAt.getTime() - startedAt.getTime());
  const shown = purpose === 'safety' ? `${kind}, safety` : kind;
  return [
    id,
    snapshotAt.getTime(),
    shown,
    stateOfBackup(backup)[1],
    totals.rows,
    totals.bytes,
    totals.added,
    took,
    usableIds.has(id) ? 1 : 0,
  ];
}

/** The newest backup that was read back whole, or at least the newest one. */
function chooseBackup({ status }: DatabaseFacts): BackupSummary | undefined {
  return status.usable.find(({ verifiedAt }) => verifiedAt !== null) ?? status.usable[0];
}

/**
 * Renders the restore manager: a form that the script shows, and the same commands for the newest verified
 * backup for whoever has no script. The page restores nothing: it has no right to, and asks no network.
 */
export function renderManager(index: number, facts: DatabaseFacts): Markup {
  const backup = chooseBackup(facts);
  if (backup === undefined) return renderUnmeasured('there is no backup to restore.');
  return html`<p>This page restores nothing. It shows what a restore would do, and the line that does it. Set first, with your own values:</p>
<pre><code>${listSettings(facts).map((line) => html`${line}\n`)}</code></pre>
<form hidden class="manager" data-manager="${index}" aria-label="Restore manager of ${facts.name}">
<div>${renderChoices(`m${index}`, facts)}</div>
<div aria-live="polite">${renderOutputs()}</div>
</form>
${renderWithoutScript(facts, backup)}`;
}

function renderChoices(id: string, facts: DatabaseFacts): Markup {
  const radio = (group: string, value: string, text: string, isChosen: boolean) =>
    html`<label><input type="radio" name="${group}" value="${value}"${isChosen ? html` checked` : undefined}> ${text}</label>`;
  return html`<fieldset><legend>What comes back</legend>
${radio('scope', 'whole', 'everything', true)}${radio('scope', 'tables', 'some tables, as a whole', false)}${radio('scope', 'rows', 'rows, beside the live tables, to compare and bring back', false)}
</fieldset>
${renderTables(id, facts)}
<fieldset><legend>Up to when</legend>
${radio('point', 'backup', 'the time of a backup', true)}${facts.recoverable.captured ? radio('point', 'time', 'any second that can be reached', false) : undefined}
<div data-for="backup"><label for="${id}-backup">Backup</label><select id="${id}-backup" name="backup">${renderBackupOptions(facts)}</select></div>
<div data-for="time" hidden><label for="${id}-time">Time (UTC)</label><input id="${id}-time" name="time" type="datetime-local" step="1">${renderWindows(facts)}</div>
</fieldset>
<fieldset data-target><legend>Into what</legend>
${radio('target', 'empty', 'a new or empty database: nothing is lost', true)}${radio('target', 'production', 'production, which is emptied first', false)}
</fieldset>
<label for="${id}-confirm">Type <strong>${confirmingWords}</strong> to have it in the lines that ask for it</label>
<input id="${id}-confirm" name="confirm" type="text" autocomplete="off" spellcheck="false">`;
}

function renderTables(id: string, { newest, status }: DatabaseFacts): Markup {
  const tables = newest?.tables ?? [];
  const of = status.usable.find((backup) => backup.id === newest?.id);
  const listed = tables.slice(0, listedTables);
  return html`<fieldset data-tables hidden><legend>Which tables</legend>
<p class="small quiet">Tables and rows of the newest backup${of === undefined ? undefined : html`, of ${time(of.snapshotAt)}`}. A table that it lacks, and an older one has, can be typed below.</p>
<div class="choices" role="group" aria-label="Tables of the newest backup">${listed.map((table) => {
    const pattern = writePattern(table);
    return html`<label><input type="checkbox" name="table" value="${pattern}"> ${name(pattern)} <span class="quiet">${formatCounted(table.rows, 'row')}</span></label>`;
  })}</div>
<label for="${id}-more">${listed.length < tables.length ? `${formatCount(tables.length - listed.length)} more, or patterns` : 'Others, or patterns'} such as <code>billing.*</code>, separated by commas</label>
<input id="${id}-more" name="patterns" type="text" autocomplete="off" spellcheck="false">
</fieldset>`;
}

/** Verified backups come first: others may be damaged, and nobody knows. */
function renderBackupOptions({ status }: DatabaseFacts): Markup {
  const option = ({ id, snapshotAt, kind, totals }: BackupSummary) =>
    html`<option value="${id}">${snapshotAt.toISOString().slice(0, 16).replace('T', ' ')}, ${kind}, ${formatCounted(totals.rows, 'row')}</option>`;
  const shown = status.usable.slice(0, listedBackups);
  const group = (label: string, backups: readonly BackupSummary[]) =>
    backups.length === 0 ? undefined : html`<optgroup label="${label}">${backups.map(option)}</optgroup>`;
  return html`${group(
    'Verified',
    shown.filter(({ verifiedAt }) => verifiedAt !== null),
  )}${group(
    'Not verified',
    shown.filter(({ verifiedAt }) => verifiedAt === null),
  )}`;
}

function renderWindows(facts: DatabaseFacts): Markup {
  const windows = listWindows(facts).slice(-shownWindows).toReversed();
  if (windows.length === 0)
    return html`<p class="small quiet">No time can be reached but those of backups.</p>`;
  return html`<p class="small quiet">Can be reached: ${windows.map(({ first, last }) => html`<br>${formatSecond(first)} to ${formatSecond(last)}`)}</p>`;
}

function renderOutputs(): Markup {
  const line = (key: string, title: string) =>
    html`<div data-line="${key}"><h4>${title}</h4><pre><code></code></pre><button type="button" data-copy="${key}">Copy</button></div>`;
  return html`<h4>Plan</h4><dl class="plan" data-plan></dl>
${line('preview', '1. Look first: changes nothing')}${line('command', '2. Restore')}${line('workflow', 'Or in GitHub Actions, where reviewers approve it')}
<p class="small quiet" data-workflow-note>Run it in a clone of the repository that has examples/emergency-restore.yml. No link can fill in the form of a workflow: these are the values to enter. In a fork of the action itself it is restore.yml, with <code>-f storage=… -f environment=…</code> besides.</p>`;
}

function renderWithoutScript(facts: DatabaseFacts, backup: BackupSummary): Markup {
  const tables = facts.newest?.tables[0];
  const words = {
    backup: backup.id,
    tables: tables === undefined ? 'public.*' : writePattern(tables),
    confirm: '…',
  };
  const titles: Readonly<Record<string, string>> = {
    'whole-backup-empty': 'Everything, into a new or empty database',
    'tables-backup-empty': 'A table, where it is gone',
    'rows-backup-live': 'Rows, beside the live tables',
    'whole-backup-production': 'Everything, into production, which is emptied first',
  };
  const ways = listWays(facts).filter((way) => keyOf(way) in titles);
  return html`<noscript><p>For the newest verified backup, <code>${backup.id}</code> of ${time(backup.snapshotAt)} UTC${backup.verifiedAt === null ? ' (none is verified, and this is the newest)' : ''}; ${tellRecovery(facts)}. Instead of <code>…</code> type the words <strong>${confirmingWords}</strong>. With <code>--dry-run</code> each shows what it would do.</p>
${ways.map((way) => html`<h4>${titles[keyOf(way)] ?? ''}</h4><pre><code>${fillIn(way.command, words)}</code></pre>${way.workflow === undefined ? undefined : html`<pre><code>${fillIn(way.workflow, words)}</code></pre>`}`)}</noscript>`;
}

function tellRecovery({ status: { recovery } }: DatabaseFacts): string {
  switch (recovery.kind) {
    case 'measured':
      return `a recovery takes ${formatDuration(recovery.milliseconds)}, measured by a drill`;
    case 'predicted':
      return `how long a recovery takes was not measured; predicted: ${tellPredictedTime(recovery.prediction)}`;
    case 'unmeasured':
      return 'how long a recovery takes was not measured';
  }
}
