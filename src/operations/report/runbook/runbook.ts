import type { ReportFacts } from '../facts.ts';
import { type RunbookFacts, toRunbookFacts } from './facts.ts';
import { listVariableMeanings, renderHeader, renderLists, renderVariables } from './header.ts';
import { describeLeakedKey, describeRansomware } from './incidents/attacks.ts';
import { describeFilesGone, describePlatformBackups, describeVaultKeyLost } from './incidents/platform.ts';
import { confirmed } from './incidents/steps.ts';
import { describeDroppedTable, describeLostRows } from './incidents/tables.ts';
import { describeNoFreshBackups, describeSlotLost } from './incidents/watching.ts';
import { describeBadMigration, describeProjectGone, describeRegionGone } from './incidents/whole.ts';
import { type Markdown, md, stack, wrapProse } from './markdown.ts';
import { type IncidentName, listVariables, type Page, renderPage } from './page.ts';
import { sh } from './shell.ts';
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

/** A runbook in parts, as Markdown */
export interface RunbookParts {
  /** What is known of the backups, and the questions that lead to a page */
  readonly overview: string;
  readonly pages: ReadonlyMap<IncidentName, string>;
}

/**
 * Writes a runbook for a program that reads it to somebody: the overview, and each page with what the variables
 * of its commands hold. The words that confirm a restore are in none of its commands: a person types them.
 */
export function renderParts(facts: RunbookFacts): RunbookParts {
  const pages = describePages(facts);
  const write = (part: Markdown) =>
    wrapProse(part).markdown.replaceAll(confirmed.script, withoutWords.script);
  return {
    overview: write(stack(renderHeader(facts), renderTree(pages, facts.isCaptured))),
    pages: new Map(
      pages.map((page) => [
        page.name,
        write(stack(renderPage(page), listVariableMeanings(facts, new Set(listVariables(page))))),
      ]),
    ),
  };
}

const withoutWords = sh`--confirm '…'`;

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
