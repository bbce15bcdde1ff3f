/**
 * The environment variable that identifies one step of a run. GitHub has none: the jobs of a run share its
 * id, and the jobs of a matrix also share their name.
 */
export const stepVariable = 'SUPABASE_BACKUP_STEP';

/** Names of the state that the runner hands from a step's main to its post part; it holds no secret. */
export const stepState = {
  /** The value of `stepVariable` */
  step: 'step',
  /** Set when the main part ended, successfully or not, and so has released what it held */
  ended: 'ended',
} as const;
