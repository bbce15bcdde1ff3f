/**
 * The variable of the environment that tells the steps of one run from each other. GitHub has none: jobs of a run share its number, and those of
 * a matrix the name of the job, too.
 */
export const stepVariable = 'SUPABASE_BACKUP_STEP';

/** What a step's main part tells its post part, by the state that the runner keeps. Nothing in it is secret. */
export const stepState = {
  /** The value of `stepVariable` */
  step: 'step',
  /** Set when the main part came to its end, well or not, and so has given back what it held */
  ended: 'ended',
} as const;
