import { tellDifference } from '../../parity/report.ts';
import type { Omission } from '../../parity/scope.ts';
import { formatCounted } from '../../report/quantity.ts';
import { explainChecks } from '../../restorer/trial/checks.ts';
import { assertNever } from '../../runtime/errors.ts';
import { findShortfalls, type Restored } from './result.ts';

/** Says what is not as it should be, each way with its first case; undefined where all is. */
export function tellShortfalls(restored: Restored): string | undefined {
  const { parity, scope, ungiven, checks } = restored;
  const told = findShortfalls(restored).map((shortfall) => {
    switch (shortfall) {
      case 'different':
        return parity === undefined ? undefined : tellDifference(parity);
      case 'lost':
        return tellFirst(
          'not restored',
          scope.notCarried.filter(({ lost }) => lost === true),
        );
      case 'not given back':
        return tellFirst('not given back', ungiven);
      case 'checks':
        return explainChecks(checks);
      default:
        return assertNever(shortfall);
    }
  });
  return told.length === 0 ? undefined : told.filter((text) => text !== undefined).join('; ');
}

function tellFirst(what: string, omissions: readonly Omission[]): string | undefined {
  const [first] = omissions;
  if (first === undefined) return undefined;
  const more = omissions.length === 1 ? '' : `, and ${formatCounted(omissions.length - 1, 'more', 'more')}`;
  return `${what}: ${first.what} (${first.why})${more}`;
}
