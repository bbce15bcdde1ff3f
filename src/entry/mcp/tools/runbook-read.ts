import * as v from 'valibot';
import { iso, time } from '../../../interface/fields.ts';
import { oneOf } from '../../../interface/inputs/values.ts';
import { readReportFacts } from '../../../operations/report/read.ts';
import { toRunbookFacts } from '../../../operations/report/runbook/facts.ts';
import { incidentNames } from '../../../operations/report/runbook/page.ts';
import { renderParts } from '../../../operations/report/runbook/runbook.ts';
import { ConfigurationError } from '../../../runtime/errors.ts';
import { nameInput, say } from '../../../runtime/wording.ts';
import { defineTool } from '../tool.ts';
import { parseFor } from './parsed-inputs.ts';

const parseIncident = oneOf(incidentNames);

export const runbookRead = defineTool({
  name: 'runbook_read',
  title: 'Runbook',
  description:
    'Reads the runbook of this database, written anew from what is stored: what to do when something has happened to it. Without `incident` the questions that lead to a page, ' +
    'with it that page: how to tell, what to stop, commands with what they print. Its commands are for a person. Changes nothing.',
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  inputs: [],
  own: {
    incident: {
      description: 'What has happened; the page for it.',
      parse: parseIncident,
    },
  },
  output: {
    database: v.string(),
    writtenAt: time,
    incidents: v.pipe(v.array(v.string()), v.description('The pages that this runbook has')),
    markdown: v.pipe(
      v.string(),
      v.description(
        'The page, or the questions. In place of … in its commands a person types words; never type them.',
      ),
    ),
  },
  async answer(call) {
    // Either is enough, and a storage is of one database.
    const storage = call.read('storage')?.trim();
    const inputs = parseFor('report', call, {
      ...{ kind: 'runbook', public: 'false' },
      ...(storage ? { policy: '' } : {}),
    });
    const facts = await readReportFacts(inputs, call.context);
    const [database, second] = facts.databases;
    if (database === undefined || second !== undefined)
      throw new ConfigurationError(
        say`${nameInput('policy')}: it has several databases, and a runbook is of one`,
        'Whoever runs this server sets SUPABASE_BACKUP_DATABASE or SUPABASE_BACKUP_STORAGE in its environment.',
      );
    if (database.kind === 'unreadable') throw new ConfigurationError(database.why, database.next);
    const { overview, pages } = renderParts(toRunbookFacts(facts, database));
    const { incident } = call.own;
    const markdown = incident === undefined ? overview : pages.get(incident);
    if (markdown === undefined)
      throw new ConfigurationError(
        `incident: this runbook has no page ${incident}: nothing is captured, or there is no backup`,
        `It has ${[...pages.keys()].join(', ')}.`,
      );
    const incidents: string[] = [...pages.keys()];
    return { value: { database: database.name, writtenAt: iso(facts.at), incidents, markdown } };
  },
});
