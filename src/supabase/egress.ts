/**
 * What Supabase bills for bytes that leave a database past what the plan includes (250 GB a month with Pro and
 * Team, 5 GB with Free, which is not billed but throttled): https://supabase.com/docs/guides/platform/manage-your-usage/egress.
 * US dollars per gigabyte, of 10⁹ bytes.
 */
export const egressPricePerGb = 0.09;
