import { formatDuration } from '../../../report/quantity.ts';
import type { Section } from '../../../report/section.ts';
import { formatSecond } from '../../../report/time.ts';
import type { Objective, RunEvidence, RunLink } from './result.ts';

export function heading(text: string): Section {
  return { kind: 'heading', text };
}

export function paragraph(text: string): Section {
  return { kind: 'paragraph', text };
}

/** @param numbers indexes of columns whose cells are numbers */
export function toTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  numbers: readonly number[] = [],
): Section {
  return {
    kind: 'table',
    columns: titles.map((title, index) => ({ title, align: numbers.includes(index) ? 'right' : 'left' })),
    rows,
  };
}

export function tellTime(time: string): string {
  return formatSecond(new Date(time));
}

/** @param before stands before it where there was a run on GitHub */
export function tellRun(run: RunLink | null, before: string): string {
  if (run === null) return '';
  return `${before}${run.url}${run.attempt === null || run.attempt === 1 ? '' : `, attempt ${run.attempt}`}`;
}

export function tellObjective({ target, measured, verdict }: Objective): string {
  const [goal, took] = [target, measured].map((value) =>
    value === null ? undefined : formatDuration(value),
  );
  switch (verdict) {
    case 'met':
    case 'not met':
      return `${verdict}: ${took}, target ${goal}`;
    case 'no target':
      return `no target: ${took}`;
    case 'not measured':
      return goal === undefined ? 'not measured, no target' : `not measured, target ${goal}`;
  }
}

export function tellFollowUp(followUp: RunEvidence['followUp']): string {
  return followUp === null ? 'nothing since' : `success at ${tellTime(followUp.at)}\n${followUp.evidence}`;
}

/** A table of nothing is left out where the text before it tells the number. */
export function hasRows(section: Section): boolean {
  return section.kind !== 'table' || section.rows.length > 0;
}
