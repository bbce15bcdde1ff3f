/**
 * What Supabase bills for bytes that leave a database past what the plan includes (250 GB a month with Pro and
 * Team, 5 GB with Free, which is not billed but throttled): https://supabase.com/docs/guides/platform/manage-your-usage/egress.
 * US dollars per gigabyte, of 10⁹ bytes.
 */
export const egressPricePerGb = 0.09;

/** Bytes of a gigabyte, as storage and egress are billed */
export const gigabyte = 1e9;

/** US dollars for bytes that leave a database at Supabase, once the plan's share is used up */
export function priceEgress(bytes: number): number {
  return (bytes / gigabyte) * egressPricePerGb;
}
