import type { Manifest } from '../../format/manifest.ts';
import type { RestoreInputs } from '../../interface/inputs/types.ts';
import { assertNever } from '../../runtime/errors.ts';
import { isSourceOf, isWorthKeeping, type TargetState, wasSourceOf } from './target-state.ts';

/** A reason why a restore has to be confirmed. */
export type Reason =
  /** The target is the database that was backed up. */
  | { readonly kind: 'source' }
  /** The target is the database that was backed up, renamed since; `before` is its name at the backup. */
  | { readonly kind: 'renamed source'; readonly before: string }
  | { readonly kind: 'environment'; readonly name: string }
  | { readonly kind: 'project in use' };

/** Collects the reasons why a restore has to be confirmed; empty when it needs no confirmation. */
export function findReasons(inputs: RestoreInputs, manifest: Manifest, state: TargetState): Reason[] {
  const { environment } = inputs;
  const isProject = [state.kind, state.found].includes('supabase-project');
  return [
    ...findSource(manifest, state),
    ...(environment !== undefined && mayBeProduction(environment)
      ? [{ kind: 'environment' as const, name: environment }]
      : []),
    ...(isProject && isWorthKeeping(state) ? [{ kind: 'project in use' as const }] : []),
  ];
}

function findSource(manifest: Manifest, state: TargetState): Reason[] {
  if (isSourceOf(manifest, state)) return [{ kind: 'source' }];
  if (!wasSourceOf(manifest, state)) return [];
  return [{ kind: 'renamed source', before: manifest.source.database }];
}

/**
 * Names of environments whose users expect them to be emptied. They match as whole words: `testing` matches
 * in `live-testing`, `test` does not in `attest`.
 */
const expendable = /(?<![a-z])(staging|stage|test|testing|dev|development|preview|local)(?![a-z])/i;

/**
 * True for a name that means production, and for every name that is not known to mean less. A needless
 * confirmation costs two words; a missing one can cost a database.
 */
function mayBeProduction(environment: string): boolean {
  return /prod|live/i.test(environment) || !expendable.test(environment);
}

export function describeReason(reason: Reason): string {
  switch (reason.kind) {
    case 'source':
      return 'it is the database that was backed up';
    case 'renamed source':
      return `it is the database that was backed up, which was then named ${reason.before}`;
    case 'environment':
      return `environment is ${reason.name}`;
    case 'project in use':
      return 'it is a Supabase project that is not empty';
    default:
      return assertNever(reason);
  }
}
