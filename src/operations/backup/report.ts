import type { Outcome } from '../../interface/outcome.ts';
import type { CopyOutcome } from '../../repository/copies/outcome.ts';
import { describeCopies, tellCopies } from '../sections/copies.ts';
import { describeTakenBackup, tellTakenBackup } from '../sections/taken-backup.ts';
import { tellBackup } from './details.ts';
import { type BackupResult, isUndoubted } from './result.ts';

export function describeBackup(result: BackupResult, copies: readonly CopyOutcome[] = []): Outcome {
  const { manifest, reuse, addedBytes, elapsed } = result;
  const { rows, bytes, stored } = manifest.totals;
  const rowBytes = manifest.tables.reduce((sum, table) => sum + table.bytes, 0);
  return {
    exitCode: isUndoubted(result) ? 0 : 3,
    found: isUndoubted(result) ? undefined : `${result.mismatches[0]}; earlier backups are in doubt`,
    outputs: {
      'backup-id': manifest.id,
      'backup-type': manifest.kind,
      tables: manifest.tables.length,
      rows,
      bytes,
      'stored-bytes': stored,
      'new-bytes': addedBytes,
      'base-id': manifest.base ?? '',
      'reused-share': rowBytes === 0 ? 0 : Math.round(((reuse?.bytes ?? 0) / rowBytes) * 10_000) / 10_000,
      objects: manifest.objects.length,
      ...(copies.length === 0 ? {} : { copies: tellCopies(copies) }),
      'duration-seconds': Math.round(elapsed / 100) / 10,
    },
    details: tellBackup(result),
    taken: tellTakenBackup(result),
    report: [...describeTakenBackup(result), ...describeCopies(copies)],
  };
}
