import { html, type Markup } from '../../../report/html.ts';
import { formatAmount, formatBytes, formatCounted } from '../../../report/quantity.ts';
import { formatTime } from '../../../report/time.ts';
import { sumStored } from '../../../repository/stored-bytes.ts';
import { tellLag } from '../../sections/copies.ts';
import type { DatabaseFacts } from '../facts.ts';
import { renderShares } from './charts.ts';

/** Shows what is stored, by kind, and what a month adds and costs. */
export function renderStorage(id: string, { status }: DatabaseFacts): Markup {
  const { objects, manifests, changes, records, others } = status.stored;
  const shares = [
    { label: 'rows and definitions', value: objects },
    { label: 'manifests', value: manifests },
    { label: 'headers of changes', value: changes },
    { label: 'records', value: records },
    { label: 'others', value: others },
  ];
  const all = sumStored(status.stored);
  const rows: readonly (readonly [string, string])[] = [
    ['stored now', formatBytes(all)],
    ['a month adds', tellGrowth(status)],
    [
      'in a month',
      status.growth.kind === 'measured' ? formatBytes(all + status.growth.bytes) : 'not measured',
    ],
    ['costs a month', tellCost(status)],
    ['a full backup takes', tellEgress(status)],
    ['last cleanup', tellCleanup(status)],
    ...tellCopies(status),
  ];
  return html`${renderShares(`${id}-shares`, `What is stored: ${formatBytes(all)} by kind`, shares, formatBytes)}
<dl class="plan">${rows.map(([title, text]) => html`<dt>${title}</dt><dd>${text}</dd>`)}</dl>`;
}

/** Numbers in place of names: a page may be for everybody, and a name may be the place. */
function tellCopies({ copies = [] }: DatabaseFacts['status']): (readonly [string, string])[] {
  return copies.map((copy, index) => {
    const lag = copy.kind === 'read' ? `behind: ${tellLag(copy.lag)}` : 'could not be read';
    return [`copy ${index + 1}`, lag];
  });
}

function tellGrowth({ growth }: DatabaseFacts['status']): string {
  const backups = formatCounted(growth.points, 'backup');
  return growth.kind === 'measured'
    ? `${formatBytes(growth.bytes)}, as the ${backups} of the last 30 days did; what cleanups remove is not taken off`
    : `not measured: ${backups} of the last 30 days, and 5 of at least 3 days are needed`;
}

function tellCost({ cost }: DatabaseFacts['status']): string {
  if (cost === undefined) return 'not known: price-per-gb-month was not given';
  const later = cost.inAMonth === undefined ? 'not measured' : formatAmount(cost.inAMonth);
  return `${formatAmount(cost.now)}, and in a month ${later}, in the currency of price-per-gb-month`;
}

function tellEgress({ egress }: DatabaseFacts['status']): string {
  if (egress === undefined) return 'not measured: there is no full backup';
  return `${formatBytes(egress.bytes)} of egress, at Supabase ${formatAmount(egress.dollars)} US dollars past the share of the plan`;
}

function tellCleanup({ lastCleanup }: DatabaseFacts['status']): string {
  if (lastCleanup === undefined) return 'none';
  const { at, removed, freed } = lastCleanup;
  return `${formatTime(at)} UTC: removed ${formatCounted(removed, 'backup')}, freed ${formatBytes(freed)}`;
}
