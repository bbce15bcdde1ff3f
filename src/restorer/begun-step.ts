import { formatCounted } from '../report/quantity.ts';
import type { Context } from '../runtime/context.ts';
import { type Step, steps } from './archive/steps.ts';

/** A step of a restore, as it is reported to people and to the restore mark in the target. */
export type BegunStep =
  | { readonly name: Step | 'beginning' | 'comparing' }
  | { readonly name: 'rows'; readonly tables: number }
  | { readonly name: 'replay'; readonly until: string }
  | { readonly name: 'giving back'; readonly objects: number };

export type StepName = BegunStep['name'];

/** Called before a step begins. May throw, and then the step does not begin. */
export type OnStep = (step: BegunStep) => Promise<void>;

/** Names a step for people: its heading in the log, and its text in a mark. */
export function titleOf(step: BegunStep): string {
  switch (step.name) {
    case 'beginning':
      return 'beginning';
    case 'rows':
      return `Rows of ${formatCounted(step.tables, 'table')}`;
    case 'replay':
      return `Changes until ${step.until}`;
    case 'comparing':
      return 'Comparing with the backup';
    case 'giving back':
      return `Giving back ${formatCounted(step.objects, 'object')} that hung on what was replaced`;
    default:
      return `${step.name.charAt(0).toUpperCase()}${step.name.slice(1)}`;
  }
}

/**
 * Finds a step by its title, which is all that marks of older versions hold; undefined for titles with a
 * number or a time.
 */
export function findStep(title: string): StepName | undefined {
  const names = ['beginning', ...steps, 'comparing'] as const;
  return names.find((name) => titleOf({ name }) === title);
}

/** Calls `onStep`, and then runs a step under its heading in the log. */
export async function beginStep<Result>(
  step: BegunStep,
  onStep: OnStep | undefined,
  { log }: Pick<Context, 'log'>,
  body: () => Promise<Result>,
): Promise<Result> {
  await onStep?.(step);
  return log.group(titleOf(step), body);
}
