import * as v from 'valibot';
import { omission, phases, toOmissions, toPhases } from '../../interface/fields.ts';
import type { BackupResult } from './result.ts';

/** What is known of a backup that was taken, besides its outputs: `backup --json` */
export const backupDetails = v.strictObject({
  label: v.nullable(v.string()),
  pinned: v.boolean(),
  notCarried: v.pipe(v.array(omission), v.description('What the backup does not have, and what to do')),
  mismatches: v.pipe(
    v.array(v.string()),
    v.description('What a sample found to differ from what earlier backups stored; the exit code is then 3'),
  ),
  phases,
});

export function tellBackup({ manifest, mismatches }: BackupResult): v.InferOutput<typeof backupDetails> {
  return {
    ...{ label: manifest.label, pinned: manifest.pin, mismatches: [...mismatches] },
    ...{ notCarried: toOmissions(manifest.notCarried), phases: toPhases(manifest.durations) },
  };
}
