import { assertNever } from '../../runtime/errors.ts';
import { say, type Wording } from '../../runtime/wording.ts';
import type { KeyOutcome } from './result.ts';

/** Tells what becomes, or became, of Vault's root key, in one sentence; none where nobody needs to know. */
export function tellRootKey(outcome: KeyOutcome): (string | Wording)[] {
  switch (outcome.kind) {
    case 'unneeded':
      return [];
    case 'wanted':
      return [
        `The project ${outcome.project} would first get the root key of Vault from this backup. Without it, its server cannot decrypt the secrets.`,
      ];
    case 'set':
      return [
        `The project ${outcome.project} got the root key of Vault from this backup, and its server can decrypt the secrets.`,
      ];
    case 'left':
      return [
        say`The target's server cannot decrypt the secrets of Vault: ${outcome.why}. ${outcome.remedy}`,
      ];
    default:
      return assertNever(outcome);
  }
}
