import type { ScheduleInputs } from '../../interface/inputs/types.ts';
import type { Plan } from '../../schedule/plan/plan.ts';
import type { ParsedPolicy } from '../../schedule/policy/parse.ts';
import type { Verification } from '../../schedule/verification/verify.ts';
import type { FileChange } from '../../schedule/workflows/files.ts';

export interface Schedule {
  readonly inputs: ScheduleInputs;
  readonly parsed: ParsedPolicy;
  readonly plan: Plan;
  readonly changes: readonly FileChange[];
  /** undefined: there is no token to ask with */
  readonly verification: Verification | undefined;
  readonly now: Date;
}
