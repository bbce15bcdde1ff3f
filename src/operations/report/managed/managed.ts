import { escapeMarkdown, renderMarkdown } from '../../../report/markdown.ts';
import type { Section } from '../../../report/section.ts';
import { describeBoth, tellFigures } from '../../managed/figures.ts';
import { toFileName } from '../compliance/compliance.ts';
import { renderSections } from '../compliance/page.ts';
import type { ReportedDatabase, ReportFacts } from '../facts.ts';

/** Renders both layers of each database, as Markdown, HTML and JSON of the same value, by names of files. */
export function renderManaged({ databases }: ReportFacts): ReadonlyMap<string, string> {
  return new Map(databases.flatMap(renderDatabase));
}

function renderDatabase(database: ReportedDatabase): [string, string][] {
  const file = toFileName(database.name);
  const title = `Both layers of backups: ${database.name}`;
  if (database.kind === 'unreadable') {
    const { location, why, next } = database;
    const text = `There is nothing to compare, because ${location} could not be read: ${why}. ${next}`;
    return renderDocuments(file, title, [{ kind: 'paragraph', text }]);
  }
  const { managed } = database.status;
  if (managed === undefined) {
    const text = 'The platform was not asked: token and project of this database were not given.';
    return renderDocuments(file, title, [{ kind: 'paragraph', text }]);
  }
  return [
    ...renderDocuments(file, title, describeBoth(managed)),
    [`${file}.json`, `${JSON.stringify(tellFigures(managed), null, 2)}\n`],
  ];
}

function renderDocuments(file: string, title: string, sections: readonly Section[]): [string, string][] {
  return [
    [`${file}.md`, `# ${escapeMarkdown(title)}\n\n${renderMarkdown(sections)}`],
    [`${file}.html`, renderSections(title, sections)],
  ];
}
