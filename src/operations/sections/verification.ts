import { formatDuration } from '../../report/quantity.ts';
import { formatTime } from '../../report/time.ts';
import type { BackupSummary } from '../../repository/backups/catalog.ts';

export function describeVerification({
  verifiedAt,
  damagedAt,
}: Pick<BackupSummary, 'verifiedAt' | 'damagedAt'>): string {
  if (damagedAt) return `DAMAGED, found ${formatTime(damagedAt)}`;
  return verifiedAt ? formatTime(verifiedAt) : 'no';
}

export function describeDrilled(drilled: BackupSummary['drilled']): string {
  if (drilled === null) return 'no';
  const time = formatTime(drilled.at);
  if (!drilled.passed) return `FAILED ${time}`;
  return drilled.recovery === null ? time : `${time}, in ${formatDuration(drilled.recovery)}`;
}
