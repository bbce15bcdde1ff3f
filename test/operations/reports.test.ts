import { describe, expect, it, test } from 'vitest';
import { operations } from '../../src/interface/inputs/operations.ts';
import { renderMarkdown } from '../../src/report/markdown.ts';
import type { Section } from '../../src/report/section.ts';
import { renderText } from '../../src/report/text.ts';
import { timedId } from '../../src/values/timed-id.ts';
import { toldReports } from './reports-example.ts';

const reports = operations.flatMap((operation) =>
  toldReports[operation].map(({ verdict, outcome }, index) => ({
    ...{ name: `${operation}, ${index + 1}`, verdict, outcome },
  })),
);

/** Markdown without its code: fences, spans, and the elements in HTML */
const withoutCode = (markdown: string): string =>
  markdown
    .replace(/^(`{3,})[^\n]*\n[\s\S]*?\n\1$/gm, '')
    .replace(/<code>.*?<\/code>/g, '')
    .replace(/(?<!\\)`[^`\n]*`/g, '');

/** Whether a section is a table of times that were measured */
const isPhases = (section: Section): boolean =>
  section.kind === 'table' && section.columns[0]?.title === 'phase';

test('every operation has reports here', () => {
  for (const operation of operations) expect(toldReports[operation], operation).not.toHaveLength(0);
  const negative = reports
    .filter(({ outcome }) => outcome.exitCode === 3)
    .map(({ name }) => name.split(',')[0]);
  expect(new Set(negative)).toEqual(
    new Set([
      ...['backup', 'capture', 'validate', 'restore', 'drill', 'cleanup', 'list', 'gate', 'status'],
      ...['schedule', 'records', 'doctor', 'mirror', 'repair'],
    ]),
  );
});

describe.each(reports)('the report of $name', ({ verdict, outcome }) => {
  const { report, exitCode } = outcome;
  const [first, second] = report;
  const markdown = renderMarkdown(report);

  it('begins with its verdict, whose tone is that of the exit code', () => {
    expect(first).toMatchObject({ kind: 'heading', text: expect.stringMatching(verdict) });
    const tone = first?.kind === 'heading' ? first.tone : undefined;
    expect(exitCode === 3 ? ['bad'] : ['good', 'warning']).toContain(tone);
    expect(markdown).toMatch(exitCode === 3 ? /^### ❌ / : /^### (✅|⚠️) /);
    expect(renderText(report).split('\n')[0]).toMatch(verdict);
  });

  it('says with a no what was found, for whoever does not see the report, and without one nothing', () => {
    if (exitCode === 3) expect(String(outcome.found)).toMatch(/\S{2,}.* \S/);
    else expect(outcome.found).toBeUndefined();
  });

  it('goes on with what matters, and not with a table of times', () => {
    expect(second?.kind).toMatch(/^(paragraph|table)$/);
    expect(report.filter(isPhases)).toEqual([]);
  });

  it('has ids, times and addresses as code', () => {
    const words = withoutCode(markdown);
    expect(words).not.toMatch(new RegExp(timedId));
    expect(words).not.toMatch(/\d{4}-\d\d-\d\dT\d\d:\d\d/);
    expect(words).not.toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d/);
    expect(words).not.toMatch(/\w@\w/);
    expect(words).not.toMatch(/\w:\/\/\w/);
    // A schedule, whose asterisks would otherwise be escaped
    expect(words).not.toMatch(/\d \\\*/);
  });

  it('has no line for what did not happen', () => {
    expect(renderText(report)).not.toMatch(/\b0 ms\b/);
  });
});

it('a report has something to look for: there are ids, schedules and phases in these', () => {
  const all = reports.map(({ outcome }) => renderMarkdown(outcome.report)).join('\n');
  for (const shown of [
    '`20261120T021700Z-7f3a`',
    'postgres@db.example.com:5432/shop',
    'Times of the phases',
  ]) {
    expect(all).toContain(shown);
  }
  expect(all).toMatch(/<code>[\d*/,-]+ [\d*/,-]+ \* \* [\d*-]+<\/code>|`[\d*/,-]+ [\d*/,-]+ \* \* [\d*-]+`/);
});

it('a backup tells its label and its pin', () => {
  const [told] = toldReports.backup;
  expect(told?.outcome.report[1]).toMatchObject({
    text: expect.stringMatching(/^Backup \S+, "before the move", pinned\. Never restored yet: /),
  });
});

it('a drill that a check and the command fail names both', () => {
  const text = renderText(toldReports.drill[2]?.outcome.report ?? []);
  expect(text).toMatch(/1 of 1 checks failed: .*; and the command failed: sh exited with 1/);
});

it('the gate says which limit is broken, and what it is', () => {
  const [, stopped] = toldReports.gate;
  expect(stopped?.outcome.found).toBe(
    'no drill has passed within drilled-within (24 h 00 min): the last was 25 h 00 min ago',
  );
});
