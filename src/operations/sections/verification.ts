import { formatTime } from '../../report/time.ts';
import type { ShelvedBackup } from '../../repository/backups/catalog.ts';

export function describeVerification({
  verifiedAt,
  damagedAt,
}: Pick<ShelvedBackup, 'verifiedAt' | 'damagedAt'>): string {
  if (damagedAt) return `DAMAGED, found ${formatTime(damagedAt)}`;
  return verifiedAt ? formatTime(verifiedAt) : 'no';
}
