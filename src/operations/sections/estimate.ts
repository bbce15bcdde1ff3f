import type { Estimate } from '../../interface/estimate.ts';
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatRate,
} from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { egressPricePerGb } from '../../supabase/egress.ts';

/** Says an estimate in a line: how much, how long. */
export function summarizeEstimate({ size, time, egress }: Estimate): string {
  const rows = `${formatCounted(size.tables, 'table')} with about ${formatCounted(size.rows, 'row')}`;
  const bytes = `${formatBytes(size.wireBytes)} to send, ${formatBytes(size.storedBytes)} once compressed`;
  const duration = time === undefined ? '' : `; a full backup takes ${tellTime(time)}`;
  return `${rows}: about ${bytes}${duration}; egress of ${formatAmount(egress.ofFull)} US dollars at Supabase`;
}

/** Shows an estimate, and by what it is reckoned. */
export function describeEstimate(estimate: Estimate): Section[] {
  const { size, time, egress, storage, basis } = estimate;
  const price = `${basis.pricePerGbMonth} a gigabyte-month`;
  const rows: [string, string][] = [
    ['on the disk of the server', formatBytes(size.databaseBytes)],
    ['tables to copy', `${formatCount(size.tables)}, ${formatBytes(size.tableBytes)} without indexes`],
    ['rows', tellRows(size)],
    ['bytes on the wire', formatBytes(size.wireBytes)],
    ['bytes stored, compressed', formatBytes(size.storedBytes)],
    ['time of a full backup', time === undefined ? 'not measured' : tellTime(time)],
    ['egress at Supabase', `${formatAmount(egress.ofFull)} US dollars a full backup`],
    [
      'egress of 30 days',
      `${formatAmount(egress.ofMonth)} US dollars for ${formatCounted(basis.fullBackups, 'full backup')}`,
    ],
    ['backups that are kept', `at most ${formatCount(storage.backups)}`],
    ['storage', `${formatBytes(storage.leastBytes)} to ${formatBytes(storage.mostBytes)}`],
    [
      'storage of 30 days',
      `${formatAmount(storage.leastCost)} to ${formatAmount(storage.mostCost)}, at ${price}`,
    ],
  ];
  return [
    { kind: 'table', columns: [{ title: 'estimate' }, { title: 'about' }], rows },
    { kind: 'paragraph', text: tellBasis(estimate) },
  ];
}

function tellTime({ least, most, jobs }: NonNullable<Estimate['time']>): string {
  const longest = formatDuration(most);
  return jobs === 1 ? longest : `${formatDuration(least)} to ${longest} with ${jobs} jobs`;
}

function tellRows({ rows, uncounted }: Estimate['size']): string {
  const missing = uncounted === 0 ? '' : `, besides ${formatCounted(uncounted, 'table')} without statistics`;
  return `about ${formatCount(rows)}${missing}`;
}

function tellBasis({ size: { sample }, basis }: Estimate): string {
  const read =
    sample === undefined
      ? 'No rows were read: bytes are those on disk, and compression is not counted.'
      : `Bytes, compression and speed are those of a sample: ${formatBytes(sample.bytes)} of ${formatCounted(sample.tables, 'table')}, read by one connection at ${formatRate(sample.bytes, sample.milliseconds)}.`;
  const from =
    basis.source === 'policy'
      ? 'Schedule and retention are those of the policy; incremental backups read less than full ones, and are not in the egress.'
      : 'A full backup every night is reckoned with.';
  return [
    read,
    from,
    'What does not change is stored once: the storage needs the smaller amount when nothing changes between backups, and the larger when everything does.',
    `Supabase bills egress at ${egressPricePerGb} US dollars a gigabyte past what the plan includes (250 GB a month with Pro and Team).`,
  ].join(' ');
}

/** The same for scripts. */
export function tellEstimate({ size, time, egress, storage }: Estimate): Record<string, string | number> {
  const seconds = (milliseconds: number) => Math.round(milliseconds) / 1000;
  const money = (amount: number) => Math.round(amount * 10_000) / 10_000;
  return {
    tables: size.tables,
    rows: size.rows,
    bytes: size.wireBytes,
    'stored-bytes': size.storedBytes,
    'estimated-seconds': time === undefined ? '' : seconds(time.most),
    'egress-dollars': money(egress.ofFull),
    'egress-dollars-month': money(egress.ofMonth),
    'kept-backups': storage.backups,
    'storage-cost-month': money(storage.mostCost),
  };
}
