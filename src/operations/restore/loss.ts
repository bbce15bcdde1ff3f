import type { Manifest } from '../../format/manifest.ts';
import { formatCount, formatCounted } from '../../report/quantity.ts';
import { summarize } from '../../restorer/clean/part.ts';
import type { TableSize } from '../../restorer/part/replacement.ts';
import type { MetPart } from '../../restorer/plan.ts';
import { writePattern } from '../../values/table-patterns.ts';
import { holdsSomething, type TargetState } from './target-state.ts';

/** Tells what a restore would remove, and what of it would not come back. */
export function describeLoss(manifest: Manifest, state: TargetState): string {
  const { part } = state;
  if (!holdsSomething(state)) return 'it is empty';
  if (part === undefined) {
    return `its ${describeAmount(state.tables, state.rows)} would be replaced${describeGone(findLost(manifest, state))}`;
  }
  const { names, tables, rows, lost } = part.replaced;
  if (names.length === 0) return 'nothing in it would be replaced';
  return `of its tables, ${summarize(names)} would be replaced, ${describeAmount(tables, rows)}${describeGone(lost)}${describeSurplus(part)}`;
}

/** Tells what is dropped with the replaced tables and would not come back, because the backup lacks it. */
export function describeSurplus({ surplus = [] }: MetPart): string {
  if (surplus.length === 0) return '';
  return `; the backup does not have ${summarize(surplus)}, so that ${surplus.length === 1 ? 'it does' : 'they do'} not come back`;
}

/** Lists the tables that emptying the target removes and that the backup has no rows of. */
export function findLost({ tables }: Manifest, { held }: TargetState): TableSize[] {
  const back = new Set(tables.map(writePattern));
  return held.filter((table) => !back.has(writePattern(table)));
}

export function describeGone(lost: readonly TableSize[]): string {
  if (lost.length === 0) return '';
  const rows = lost.reduce((sum, table) => sum + table.rows, 0);
  const verb = lost.length === 1 ? 'does' : 'do';
  return `; ${describeAmount(lost.length, rows)} of that ${verb} not come back, because the backup has no rows of them: ${summarize(lost.map(writePattern))}`;
}

function describeAmount(tables: number, rows: number): string {
  return `${formatCounted(tables, 'table')} with about ${formatCount(rows)} rows`;
}
