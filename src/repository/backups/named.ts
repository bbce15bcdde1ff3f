import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { editDistance } from '../../values/edit-distance.ts';
import { timedIdPattern } from '../../values/timed-id.ts';
import type { Repository } from '../open.ts';
import { listManifests } from './manifests.ts';

/** How many candidates an ambiguous beginning of an id names */
const mostCandidates = 8;

/**
 * Returns the whole id that the beginning of one means. Whole ids, and words such as `latest`, are returned
 * as they are, without a request to the storage.
 *
 * @throws ConfigurationError when no id begins so, or several do
 */
export async function resolveChoice(repository: Repository, choice: string): Promise<string> {
  if (!/^\d/.test(choice) || timedIdPattern.test(choice)) return choice;
  const ids = [...(await listManifests(repository)).keys()].sort().toReversed();
  const meant = ids.filter((id) => id.startsWith(choice));
  const [only] = meant;
  if (only === undefined) throw toUnknown(repository, choice, ids);
  if (meant.length === 1) return only;
  const shown = meant.slice(0, mostCandidates);
  const more = meant.length - shown.length;
  throw new ConfigurationError(
    say`${nameInput('backup-id')}: ${meant.length} backups have ids that begin with ${choice}`,
    `Give more of the id: ${shown.join(', ')}${more > 0 ? `, or one of ${more} older ones; \`list\` shows them all` : ''}.`,
  );
}

/** Says that there is no backup with this id, or this beginning of one, and which ones are nearest to it. */
export async function refuseUnknownId(repository: Repository, id: string): Promise<ConfigurationError> {
  return toUnknown(repository, id, [...(await listManifests(repository)).keys()].sort().toReversed());
}

function toUnknown(
  { storage }: Repository,
  choice: string,
  newestFirst: readonly string[],
): ConfigurationError {
  const [nearest] = newestFirst
    .map((id) => ({ id, distance: editDistance(choice, id.slice(0, choice.length)) }))
    .sort((one, other) => one.distance - other.distance);
  const form = timedIdPattern.test(choice)
    ? `there is no backup ${choice}`
    : `no backup begins with ${choice}`;
  const next =
    nearest === undefined
      ? 'It has no backups: run `backup` first.'
      : `${nearest.distance <= 3 ? `Did you mean ${nearest.id}?` : `The nearest is ${nearest.id}.`} \`list\` shows them all; \`latest\` is the newest.`;
  return new ConfigurationError(say`${nameInput('backup-id')}: ${form} at ${storage.location}`, next);
}
