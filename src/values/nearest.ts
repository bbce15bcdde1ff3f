import { editDistance } from './edit-distance.ts';

/**
 * Returns the known word that a mistyped one was most likely meant to be: the one at the smallest edit
 * distance, letters taken alike in both cases. Undefined when none is near: at most two edits, or a third of
 * the known word, and fewer than the word has characters.
 */
export function findNearest(word: string, known: readonly string[]): string | undefined {
  return listNearest(word, known)[0];
}

/** Like `findNearest`, for all that are near, the nearest first. */
export function listNearest(word: string, known: readonly string[]): readonly string[] {
  const lower = word.toLowerCase();
  return known
    .map((name) => ({ name, distance: editDistance(lower, name.toLowerCase()) }))
    .filter(
      ({ name, distance }) =>
        distance <= Math.max(2, Math.floor(name.length / 3)) && distance < Math.max(word.length, 2),
    )
    .sort((one, other) => one.distance - other.distance)
    .map(({ name }) => name);
}
