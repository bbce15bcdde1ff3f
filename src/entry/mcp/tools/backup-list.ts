import * as v from 'valibot';
import { count } from '../../../interface/fields.ts';
import { parseBackupId } from '../../../interface/inputs/time-values.ts';
import { wholeNumber } from '../../../interface/inputs/values.ts';
import { listBackups } from '../../../operations/catalog/list.ts';
import { ConfigurationError } from '../../../runtime/errors.ts';
import { defineTool } from '../tool.ts';
import { outline, take, toOutline } from './fields.ts';
import { parseFor } from './parsed-inputs.ts';

/** An answer of more would not fit into what assistants read at once. */
const [defaultCount, mostCount] = ['20', 100];
const mostWindows = 20;

export const backupList = defineTool({
  name: 'backup_list',
  title: 'Stored backups',
  description:
    'Lists the backups in the storage, newest first: when each was taken, how large it is, whether it was read back and drilled, and what keeps it. ' +
    'Also which points in time can be recovered. Reads the storage alone.',
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  inputs: ['retention', 'keep-changes', 'time-zone'],
  own: {
    count: {
      description: 'How many backups.',
      default: defaultCount,
      parse: wholeNumber(1, mostCount),
    },
    'older-than': {
      description: 'The id of a backup: those before it. For the next part of a long list.',
      parse: parseBackupId,
    },
  },
  output: {
    location: v.pipe(v.string(), v.description('Where the backups are')),
    backups: v.array(
      v.strictObject({
        ...outline,
        kept: v.pipe(v.boolean(), v.description('Whether a cleanup with this retention would keep it')),
        keptBy: v.array(v.string()),
      }),
    ),
    more: v.pipe(count, v.description('How many older ones there are')),
    damagedManifests: v.pipe(
      v.array(v.strictObject({ id: v.string(), message: v.string() })),
      v.description('Backups that cannot be restored, because their manifests cannot be trusted'),
    ),
    capturesChanges: v.boolean(),
    recoverable: v.pipe(
      v.array(v.strictObject({ from: v.string(), to: v.string(), gap: v.nullable(v.string()) })),
      v.description('The newest times that can be recovered, ISO 8601; where both are equal, it is a backup'),
    ),
  },
  async answer(call) {
    const list = await listBackups(parseFor('list', call), call.context);
    const { decisions, damaged, recoverable } = list;
    const before = call.own['older-than'];
    const at = before === undefined ? -1 : decisions.findIndex(({ backup }) => backup.id === before);
    if (before !== undefined && at < 0)
      throw new ConfigurationError(
        `older-than: there is no backup ${before} in the list`,
        'Write the id of the last backup of the part before.',
      );
    const { shown, more } = take(decisions.slice(at + 1), call.own.count);
    return {
      value: {
        location: list.location,
        backups: shown.map(({ backup, keep, reasons }) => ({
          ...toOutline(backup),
          ...{ kept: keep, keptBy: [...reasons] },
        })),
        more,
        damagedManifests: damaged.slice(0, mostCount).map(({ id, message }) => ({ id, message })),
        capturesChanges: recoverable.captured,
        recoverable: recoverable.windows.slice(-mostWindows).map(({ from, to, gap }) => ({ from, to, gap })),
      },
    };
  },
});
