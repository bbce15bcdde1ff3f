import { readlink, realpath } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';

/** Tells whether a location is a path; every other one has a scheme. */
export function isPath(location: string): boolean {
  return /^(\/|\.\.?(\/|$))/.test(location);
}

/** @throws ConfigurationError when the URL holds no path */
export function pathOfUrl(location: string): string {
  try {
    return fileURLToPath(location);
  } catch (cause) {
    throw new ConfigurationError(
      say`${nameInput('storage')} is not a path: ${location}`,
      'Write file:///folder, with three slashes.',
      cause,
    );
  }
}

/**
 * Refuses to write into a storage: what takes the place of one of its files loses backups. Links are followed, and
 * what does not exist yet is placed by the nearest folder that does.
 *
 * @param input the name of the input that names the file or folder to write, for messages
 * @param storages locations; only those in folders can be meant
 * @throws ConfigurationError when it is the folder of a storage, or lies in one
 */
export async function refuseInside(
  file: string | undefined,
  input: string,
  storages: readonly string[],
): Promise<void> {
  if (file === undefined) return;
  const places = await listPlaces(file);
  for (const storage of storages) {
    const folder = findFolder(storage.trim());
    if (folder === undefined) continue;
    const root = await follow(path.resolve(folder));
    if (!places.some((place) => isInside(place, root))) continue;
    throw new ConfigurationError(
      say`${nameInput(input)}: ${JSON.stringify(file)} lies in the storage ${storage}, and would replace its files`,
      'Choose a path outside of the storage. Nothing was written.',
    );
  }
}

function findFolder(location: string): string | undefined {
  if (/^file:/i.test(location)) return pathOfUrl(location);
  return isPath(location) ? location : undefined;
}

/**
 * Lists all places that a path may mean: a link at its end is followed or replaced, and a `..` after a link leads
 * back for some calls, and for others to the parent of what the link points to.
 */
function listPlaces(file: string): Promise<readonly string[]> {
  const unresolved = path.isAbsolute(file) ? file : `${process.cwd()}${path.sep}${file}`;
  const resolved = path.resolve(file);
  const besides = async (link: string) => path.join(await follow(path.dirname(link)), path.basename(link));
  return Promise.all([follow(unresolved), follow(resolved), besides(unresolved), besides(resolved)]);
}

/** Follows the links of an absolute path, of which the end may not exist. */
async function follow(place: string): Promise<string> {
  try {
    return await realpath(place);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const folder = await follow(path.dirname(place));
    // A link to what does not exist is made real by the one who writes. Links in a circle have another code.
    const target = isMissing ? await readlink(place).catch(() => undefined) : undefined;
    return target === undefined
      ? path.join(folder, path.basename(place))
      : await follow(path.resolve(folder, target));
  }
}

function isInside(place: string, root: string): boolean {
  const way = path.relative(root, place);
  return way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
}
