import { assertNever } from '../../runtime/errors.ts';
import type { KeyOutcome } from './result.ts';

/** Tells what becomes, or became, of Vault's root key, in one sentence; none where nobody needs to know. */
export function tellRootKey(outcome: KeyOutcome): string[] {
  switch (outcome.kind) {
    case 'unneeded':
      return [];
    case 'wanted':
      return [
        `The project ${outcome.project} would be given the root key of Vault of this backup first: without it its server does not open the secrets.`,
      ];
    case 'set':
      return [
        `The project ${outcome.project} was given the root key of Vault of this backup, and its server opens the secrets with it.`,
      ];
    case 'left':
      return [`The target's server does not open the secrets of Vault: ${outcome.why}. ${outcome.remedy}`];
    default:
      return assertNever(outcome);
  }
}
