import * as v from 'valibot';
import type { Cleanup } from './result.ts';

/** What a cleanup decided, or would decide in a dry run: `cleanup --json` */
export const cleanupDetails = v.strictObject({
  ending: v.pipe(
    v.picklist(['complete', 'postponed', 'stopped']),
    v.description(
      '`postponed`: stored objects were left to the next run. `stopped`: something is damaged, and nothing that it may need was removed.',
    ),
  ),
  decisions: v.pipe(
    v.array(v.strictObject({ id: v.string(), keep: v.boolean(), reasons: v.array(v.string()) })),
    v.description('What the retention policy says of every backup, newest first'),
  ),
  removed: v.pipe(v.array(v.string()), v.description('Ids of the backups that were removed, or would be')),
});

export function tellCleanup({ ending, decisions, removed }: Cleanup): v.InferOutput<typeof cleanupDetails> {
  return {
    ending: ending.kind,
    decisions: decisions.map(({ backup, keep, reasons }) => ({ id: backup.id, keep, reasons: [...reasons] })),
    removed: [...removed],
  };
}
