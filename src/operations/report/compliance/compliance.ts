import { escapeMarkdown, renderMarkdown } from '../../../report/markdown.ts';
import type { Section } from '../../../report/section.ts';
import type { ReportedDatabase, ReportFacts } from '../facts.ts';
import { assembleEvidence } from './assemble.ts';
import { renderSections } from './page.ts';
import { describeEvidence } from './report.ts';

/** Renders the evidence of each database, as Markdown, HTML and JSON of the same value, by names of files. */
export function renderCompliance({ databases }: ReportFacts): ReadonlyMap<string, string> {
  return new Map(databases.flatMap(renderDatabase));
}

function renderDatabase(database: ReportedDatabase): [string, string][] {
  const file = toFileName(database.name);
  const title = `Evidence of backups: ${database.name}`;
  if (database.kind === 'unreadable') {
    const { location, why, next } = database;
    const text = `There is no evidence, because ${location} could not be read: ${why}. ${next}`;
    return renderDocuments(file, title, [{ kind: 'paragraph', text }]);
  }
  if (database.evidence === undefined) throw new Error('the evidence was not read');
  const evidence = assembleEvidence(database.evidence);
  return [
    ...renderDocuments(file, title, describeEvidence(evidence)),
    [`${file}.json`, `${JSON.stringify(evidence, null, 2)}\n`],
  ];
}

function renderDocuments(file: string, title: string, sections: readonly Section[]): [string, string][] {
  return [
    [`${file}.md`, `# ${escapeMarkdown(title)}\n\n${renderMarkdown(sections)}`],
    [`${file}.html`, renderSections(title, sections)],
  ];
}

/** Names of a policy are file names as they are; what a server calls a database may be anything. */
export function toFileName(name: string): string {
  return name.replace(/[^\w.-]/g, '_').replace(/^\./, '_');
}
