import { count } from '../../../interface/fields.ts';
import { shownDetails, tellShown } from '../../../operations/catalog/details.ts';
import type { ShownBackup } from '../../../operations/catalog/result.ts';
import { lookUpBackup } from '../../../operations/catalog/show.ts';
import { defineTool } from '../tool.ts';
import { take } from './fields.ts';
import { parseFor } from './parsed-inputs.ts';

const [mostTables, mostOmissions, mostEvents, mostExtensions] = [100, 40, 20, 60];

export const backupShow = defineTool({
  name: 'backup_show',
  title: 'One backup',
  description:
    'Shows what is known of one backup: its source, its tables with their rows, what it does not carry, and what became of it since (validations, drills, restores). ' +
    'Reads the storage alone, and no rows.',
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  inputs: ['backup-id'],
  own: {},
  output: { ...shownDetails.entries, moreTables: count, moreNotCarried: count },
  async answer(call) {
    return { value: toFields(await lookUpBackup(parseFor('show', call), call.context)) };
  },
});

/** The details that `show --json` has, as many as an assistant can read */
function toFields(shown: ShownBackup) {
  const details = tellShown(shown);
  const tables = take(details.tables, mostTables);
  const notCarried = take(details.notCarried, mostOmissions);
  return {
    ...details,
    ...{ tables: tables.shown, moreTables: tables.more },
    ...{ notCarried: notCarried.shown, moreNotCarried: notCarried.more },
    extensions: details.extensions.slice(0, mostExtensions),
    events: details.events.slice(0, mostEvents),
  };
}
