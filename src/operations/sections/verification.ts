import { formatDuration } from '../../report/quantity.ts';
import { formatTime } from '../../report/time.ts';
import type { ShelvedBackup } from '../../repository/backups/catalog.ts';

export function describeVerification({
  verifiedAt,
  damagedAt,
}: Pick<ShelvedBackup, 'verifiedAt' | 'damagedAt'>): string {
  if (damagedAt) return `DAMAGED, found ${formatTime(damagedAt)}`;
  return verifiedAt ? formatTime(verifiedAt) : 'no';
}

export function describeDrilled(drilled: ShelvedBackup['drilled']): string {
  if (drilled === null) return 'no';
  const time = formatTime(drilled.at);
  if (!drilled.passed) return `FAILED ${time}`;
  return drilled.recovery === null ? time : `${time}, in ${formatDuration(drilled.recovery)}`;
}
