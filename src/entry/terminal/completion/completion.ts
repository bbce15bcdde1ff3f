import { list, quoteWord } from '../../../interface/inputs/values.ts';
import { ConfigurationError } from '../../../runtime/errors.ts';
import { renderBash } from './bash.ts';
import { renderFish } from './fish.ts';
import { listWords, type Shell, shells, type Vocabulary } from './words.ts';
import { renderZsh } from './zsh.ts';

const renderers: Readonly<Record<Shell, (vocabulary: Vocabulary) => string>> = {
  bash: renderBash,
  zsh: renderZsh,
  fish: renderFish,
};

/**
 * Renders the script that a shell loads to complete the command line.
 *
 * @param words what stands after `completion`
 * @throws ConfigurationError unless it is one of the shells
 */
export function renderCompletion(words: readonly string[]): string {
  const [word = '', ...more] = words;
  const shell = shells.find((name) => name === word);
  if (shell !== undefined && more.length === 0) return renderers[shell](listWords());
  throw new ConfigurationError(
    shell === undefined
      ? `completion: ${word === '' ? 'names no shell' : `${quoteWord(word)} is none of the shells`}`
      : `completion: ${quoteWord(more[0] ?? '')} is not expected after the shell`,
    `Write ${list(shells)} after it; docs/install.md says where each shell keeps such a script.`,
  );
}
