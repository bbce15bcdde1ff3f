import type { Manifest } from '../../format/manifest.ts';
import type { RestoreInputs } from '../../interface/inputs/types.ts';
import { assertNever } from '../../runtime/errors.ts';
import { isSourceOf, isWorthKeeping, type TargetState, wasSourceOf } from './target-state.ts';

/** Why somebody has to answer for a restore. */
export type Reason =
  /** The target is the database that was backed up. */
  | { readonly kind: 'source' }
  /** It is, and had another name then. */
  | { readonly kind: 'renamed source'; readonly before: string }
  | { readonly kind: 'environment'; readonly name: string }
  | { readonly kind: 'project in use' };

/** @returns none when nobody has to */
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

/** Names of environments whose users expect that they are emptied. As words: `live-testing` is two, and `attest` is none of them. */
const expendable = /(?<![a-z])(staging|stage|test|testing|dev|development|preview|local)(?![a-z])/i;

/**
 * What is named for production, or for nothing that is known to be less. Words too many are typed; words that were not asked for are a
 * database.
 */
function mayBeProduction(environment: string): boolean {
  return /prod|live/i.test(environment) || !expendable.test(environment);
}

export function describeReason(reason: Reason): string {
  switch (reason.kind) {
    case 'source':
      return 'it is the database that was backed up';
    case 'renamed source':
      return `it is the database that was backed up, which was ${reason.before} then`;
    case 'environment':
      return `environment is ${reason.name}`;
    case 'project in use':
      return 'it is a Supabase project that is not empty';
    default:
      return assertNever(reason);
  }
}
