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
      'What `report` writes. `dashboard` is one HTML file that shows whether and how the databases can be recovered. `runbook` is a folder ' +
      'with a Markdown file for each database that says what to do in an emergency. `compliance` is a folder with audit evidence for a ' +
      "period, as Markdown, HTML and JSON. `managed` is a folder with a report on Supabase's own backups next to these, in the same " +
      'formats.',
    parse: oneOf(reportKinds),
  },
  output: {
    group: 'report',
    operations: ['report'],
    placeholder: 'path',
    example: './dashboard.html',
    description:
      'The file that `report` writes, such as `./dashboard.html`, or the folder if the kind has several files. It is replaced atomically, ' +
      'and only its owner can read it. When empty, `supabase-backup-<kind>` in the working directory.',
    parse: matching(/^(?!-$)[^\0]{1,1000}$/, 'is not a path', 'Write the path of a file or folder.'),
  },
  period: {
    group: 'report',
    operations: ['report'],
    default: '90d',
    placeholder: 'period',
    example: '2026-Q3',
    description:
      'The period that the audit evidence (`kind: compliance`) covers, in UTC: a year, a quarter or a month such as `2026`, `2026-Q3` or ' +
      '`2026-10`, or the last days, such as `90d`.',
    parse: parsePeriod,
  },
  public: {
    group: 'report',
    operations: ['report'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether the report is for everybody, for example on GitHub Pages. It then leaves out the names of tables, locations, targets and ' +
      'people, the checks, and the messages of failures.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;
