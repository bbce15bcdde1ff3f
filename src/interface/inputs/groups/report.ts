import type { Input } from '../input.ts';
import { reportKinds } from '../report-kinds.ts';
import { parsePeriod } from '../time-values.ts';
import { matching, oneOf, parseBoolean } from '../values.ts';

/** What is written about backups, and where. */
export const reportInputs = {
  kind: {
    group: 'report',
    operations: ['report'],
    default: 'dashboard',
    placeholder: 'kind',
    description:
      'What `report` writes: `dashboard`, one HTML file that shows whether and how the databases can be recovered; `runbook`, a folder ' +
      'with a Markdown file for each database: what to do when something has happened to it; `compliance`, a folder with evidence of a ' +
      "period for an audit, as Markdown, HTML and JSON; or `managed`, a folder in the same forms about Supabase's own backups beside these.",
    parse: oneOf(reportKinds),
  },
  output: {
    group: 'report',
    operations: ['report'],
    placeholder: 'path',
    example: './dashboard.html',
    description:
      'The file that `report` writes, or the folder where its kind has several files. It is replaced at once, and only this user can read it. When ' +
      'empty, `supabase-backup-<kind>` in the working directory.',
    parse: matching(/^(?!-$)[^\0]{1,1000}$/, 'is not a path', 'Write the path of a file or folder.'),
  },
  period: {
    group: 'report',
    operations: ['report'],
    default: '90d',
    placeholder: 'period',
    example: '2026-Q3',
    description:
      'The time that evidence (`kind: compliance`) is about, in UTC: a year, a quarter or a month such as `2026`, `2026-Q3` or `2026-10`, or the last ' +
      'days, such as `90d`.',
    parse: parsePeriod,
  },
  public: {
    group: 'report',
    operations: ['report'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether the report is for everybody, as on GitHub Pages: names of tables, locations, targets, people, questions and messages of failures ' +
      'are left out of it.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;
