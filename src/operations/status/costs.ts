import type { BackupSummary } from '../../repository/backups/catalog.ts';
import type { Growth } from '../../repository/backups/growth.ts';
import { gigabyte, priceEgress } from '../../supabase/egress.ts';

/** What storage costs in a month, in the currency of the price. */
export interface StorageCost {
  readonly now: number;
  /** With what a month will have added; undefined where that is not measured */
  readonly inAMonth: number | undefined;
}

/** What leaves the database for a full backup, and is billed as egress. */
export interface Egress {
  /** Before compression: PostgreSQL sends rows as text */
  readonly bytes: number;
  /** US dollars at Supabase, once the plan's share is used up */
  readonly dollars: number;
}

/** @param price of a gigabyte for a month; undefined: nobody said */
export function estimateStorageCost(
  stored: number,
  growth: Growth,
  price: number | undefined,
): StorageCost | undefined {
  if (price === undefined) return undefined;
  const cost = (bytes: number) => (bytes / gigabyte) * price;
  const later = growth.kind === 'measured' ? cost(stored + growth.bytes) : undefined;
  return { now: cost(stored), inAMonth: later };
}

/**
 * Estimates the egress of a full backup by the newest one. What an incremental backup reads is not known from its
 * manifest, and is less.
 *
 * @param usable newest first
 */
export function estimateEgress(usable: readonly BackupSummary[]): Egress | undefined {
  const newest = usable.find(({ kind }) => kind === 'full');
  if (newest === undefined) return undefined;
  const { bytes } = newest.totals;
  return { bytes, dollars: priceEgress(bytes) };
}
