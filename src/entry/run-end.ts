import type { Outcome } from '../interface/outcome.ts';
import type { Failure } from './process/failure.ts';

/** How an operation ended: with an outcome, or with a failure. */
export type End = { readonly outcome: Outcome } | { readonly failure: Failure; readonly error: unknown };
