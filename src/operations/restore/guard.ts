import { isDeepStrictEqual } from 'node:util';
import type { Manifest } from '../../format/manifest.ts';
import { defaultOf } from '../../interface/inputs/taker.ts';
import type { RestoreInputs } from '../../interface/inputs/types.ts';
import { summarize, toHindranceError } from '../../restorer/clean/part.ts';
import type { MetPart } from '../../restorer/plan.ts';
import type { UnfinishedRestore } from '../../restorer/unfinished.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { describeLoss } from './loss.ts';
import { describeReason, findReasons } from './reasons.ts';
import {
  describeUnfinished,
  holdsObjects,
  isSourceOf,
  isWorthKeeping,
  nameExisting,
  type TargetState,
} from './target-state.ts';

/** The words that `confirm` takes. */
export const confirmingWords = 'RESTORE PRODUCTION';

/**
 * Refuses inputs that contradict each other, before anything is opened.
 *
 * @throws ConfigurationError
 */
export function refuseContradictions(inputs: RestoreInputs): void {
  const { clean, safetyBackup, safetyStorage, stagingUrl, fallback } = inputs;
  if (safetyStorage !== undefined && !(clean && safetyBackup)) {
    throw new ConfigurationError(
      clean
        ? say`${nameInput('safety-storage')}: no safety backup is taken with ${nameInput('safety-backup', 'false')}`
        : say`${nameInput('safety-storage')}: no safety backup is taken without ${nameInput('clean', 'true')}`,
      clean
        ? say`Leave ${nameInput('safety-storage')} out, or ${nameInput('safety-backup', 'false')}.`
        : say`Leave ${nameInput('safety-storage')} out, or add ${nameInput('clean', 'true')}.`,
    );
  }
  if (stagingUrl === undefined && fallback !== Number(defaultOf('fallback', 'restore'))) {
    throw new ConfigurationError(
      say`${nameInput('fallback')}: is given without ${nameInput('staging-url')}, but a restore into the target tries no other backups`,
      say`Give ${nameInput('staging-url')}, where backups can be tested, or leave ${nameInput('fallback')} out.`,
    );
  }
}

/** Whether the target is backed up before it is emptied. */
export function needsSafetyBackup({ clean, safetyBackup }: RestoreInputs, state: TargetState): boolean {
  return clean && safetyBackup && holdsObjects(state) && isWorthKeeping(state);
}

/**
 * Refuses a restore that may not begin.
 *
 * @throws ConfigurationError, the first of `findRefusals`
 */
export function refuse(inputs: RestoreInputs, manifest: Manifest, state: TargetState): void {
  const [refusal] = findRefusals(inputs, manifest, state);
  if (refusal !== undefined) throw refusal;
}

/**
 * Collects all reasons to refuse a restore. A target that is empty, is not production and was not the source
 * gives none.
 *
 * @returns one error for each thing that is missing for the restore to begin, in the order of reporting
 */
export function findRefusals(
  inputs: RestoreInputs,
  manifest: Manifest,
  state: TargetState,
): ConfigurationError[] {
  const refusals: ConfigurationError[] = [];
  if (state.part !== undefined) append(refusals, findMeetings(inputs, state, state.part));
  else if (holdsObjects(state) && !inputs.clean) {
    refusals.push(
      new ConfigurationError(
        say`${nameInput('target-url')}: the database is not empty: it has ${nameExisting(state)}`,
        say`Restore into a new database (CREATE DATABASE … TEMPLATE template0), or empty this one first with ${nameInput('clean', 'true')}.`,
      ),
    );
  }
  const reasons = findReasons(inputs, manifest, state);
  if (reasons.length > 0 && !inputs.confirmed) {
    refusals.push(
      new ConfigurationError(
        say`${nameInput('confirm')}: ${state.target} needs a confirmation: ${reasons.map(describeReason).join(', ')}; ${describeLoss(manifest, state)}`,
        say`If you are sure, add ${nameInput('confirm', confirmingWords)}.`,
      ),
    );
  }
  if (
    needsSafetyBackup(inputs, state) &&
    inputs.safetyStorage === undefined &&
    !isSourceOf(manifest, state)
  ) {
    refusals.push(
      new ConfigurationError(
        say`${nameInput('safety-storage')}: is required, because ${state.target} will be emptied or changed, and it is not the database of this repository, which holds only one`,
        say`Set where to store its safety backup, or restore without one: ${nameInput('safety-backup', 'false')}.`,
      ),
    );
  }
  return refusals;
}

/** Collects the reasons to refuse a part of the backup that lie in what the target holds. */
function findMeetings(
  inputs: RestoreInputs,
  state: TargetState,
  { replaced, filled, collisions, misfits = [], takenSequences = [] }: MetPart,
): ConfigurationError[] {
  const { mark } = state;
  const refusals: ConfigurationError[] = [];
  if (mark !== undefined && !isSamePart(inputs, mark)) {
    refusals.push(
      new ConfigurationError(
        say`${nameInput('target-url')}: it has ${describeUnfinished(mark)}, which was another part of the backup or all of it`,
        say`Finish that restore first, with ${nameInput('clean', 'true')} and the same ${nameInput('include')} and ${nameInput('exclude')}, and then restore this part.`,
      ),
    );
  }
  if (filled.length > 0) {
    refusals.push(
      new ConfigurationError(
        say`${nameInput('include')}: the target has rows of ${summarize(filled)} already, and platform tables are not replaced`,
        say`Leave them out with ${nameInput('exclude')}, or restore their rows beside the live tables with ${nameInput('side-schema')}.`,
      ),
    );
  }
  if (collisions.length > 0) {
    refusals.push(
      new ConfigurationError(
        say`${nameInput('target-url')}: indexes of the backup have names that other objects there use: ${summarize(collisions)}`,
        'A renamed table keeps the names of its indexes: rename these too (ALTER INDEX … RENAME TO …), or drop the objects that use the names.',
      ),
    );
  }
  if (takenSequences.length > 0) {
    refusals.push(
      new ConfigurationError(
        say`${nameInput('target-url')}: columns of the backup use sequences that belong to another table there: ${summarize(takenSequences)}`,
        'A renamed table keeps the names of its sequences: rename these too (ALTER SEQUENCE … RENAME TO …), or drop the objects that use the names.',
      ),
    );
  }
  if (misfits.length > 0 && replaced.objects.length > 0) {
    refusals.push(
      new ConfigurationError(
        say`${nameInput('clean')}: the objects to replace depend on objects that differ between the target and the backup: ${summarize(misfits)}. Their rows could be lost, and those of the backup may not fit`,
        say`Add these to ${nameInput('include')}, change them back to what they were, or restore the rows beside the live tables with ${nameInput('side-schema')}.`,
      ),
    );
  }
  if (holdsObjects(state) && !inputs.clean) {
    const names = summarize(replaced.names);
    refusals.push(
      new ConfigurationError(
        say`${nameInput('target-url')}: it has ${mark === undefined ? `${names} already` : describeUnfinished(mark)}`,
        say`Replace just these with ${nameInput('clean', 'true')}, restore their rows into another schema with ${nameInput('side-schema')}, or restore into another database.`,
      ),
    );
  }
  const hindrance = toHindranceError(replaced);
  return hindrance === undefined ? refusals : [...refusals, hindrance];
}

function isSamePart({ include, exclude }: RestoreInputs, { part }: UnfinishedRestore): boolean {
  return part !== undefined && isDeepStrictEqual([include, exclude], [part.include, part.exclude]);
}
