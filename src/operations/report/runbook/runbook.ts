import type { ReportFacts } from '../facts.ts';
import { type RunbookFacts, toRunbookFacts } from './facts.ts';
import { renderHeader, renderLists, renderVariables } from './header.ts';
import { describeLeakedKey, describeRansomware } from './incidents/attacks.ts';
import { describeFilesGone, describePlatformBackups, describeVaultKeyLost } from './incidents/platform.ts';
import { describeDroppedTable, describeLostRows } from './incidents/tables.ts';
import { describeNoFreshBackups, describeSlotLost } from './incidents/watching.ts';
import { describeBadMigration, describeProjectGone, describeRegionGone } from './incidents/whole.ts';
import { md, stack, wrapProse } from './markdown.ts';
import { listVariables, type Page, renderPage } from './page.ts';
import { renderTree } from './tree.ts';

/** Renders a runbook for each database, by the names of their files. */
export function renderRunbooks(facts: ReportFacts): ReadonlyMap<string, string> {
  const read = facts.databases.flatMap((database) => (database.kind === 'read' ? [database] : []));
  return new Map(
    read.map((database) => [nameFile(database.name), renderRunbook(toRunbookFacts(facts, database))]),
  );
}

/** Makes a file name of what people call a database. */
function nameFile(database: string): string {
  const plain = database.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+|-+$/g, '');
  return `runbook-${plain === '' ? 'database' : plain}.md`;
}

/** Writes the runbook of one database, for whoever is woken up and has never seen it. */
export function renderRunbook(facts: RunbookFacts): string {
  const pages = describePages(facts);
  const used = new Set(pages.flatMap(listVariables));
  const { markdown } = wrapProse(
    stack(
      renderHeader(facts),
      renderTree(pages, facts.isCaptured),
      renderVariables(facts, used),
      ...pages.map(renderPage),
      renderLists(facts),
      md`The program's own documents say more: docs/restore.md, docs/point-in-time.md, docs/supabase.md, docs/recover-by-hand.md.`,
    ),
  );
  return `${markdown}\n`;
}

function describePages(facts: RunbookFacts): Page[] {
  const { newest } = facts;
  const recoverable = newest === undefined ? undefined : { ...facts, newest };
  const always = [describeNoFreshBackups, ...(facts.isCaptured ? [describeSlotLost] : [])];
  const rest = [describeVaultKeyLost, describeFilesGone, describePlatformBackups];
  if (recoverable === undefined) return [...always, ...rest].map((describe) => describe(facts));
  return [
    ...[describeDroppedTable, describeBadMigration, describeLostRows, describeProjectGone].map((describe) =>
      describe(recoverable),
    ),
    describeRegionGone(recoverable),
    ...[describeLeakedKey, describeRansomware, ...always, ...rest].map((describe) => describe(facts)),
  ];
}
