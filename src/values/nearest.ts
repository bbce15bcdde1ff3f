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
    .filter((name) => lower.length <= name.length + reachOf(name))
    .map((name) => ({ name, distance: editDistance(lower, name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= reachOf(name) && distance < Math.max(word.length, 2))
    .sort((one, other) => one.distance - other.distance)
    .map(({ name }) => name);
}

/** Edits that may lie between a word and this one. A word that is longer by more is not compared: it may be a whole file. */
const reachOf = (name: string): number => Math.max(2, Math.floor(name.length / 3));
