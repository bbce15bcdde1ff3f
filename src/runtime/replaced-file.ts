import { rename, rm, writeFile } from 'node:fs/promises';
import type { Context } from './context.ts';
import { ConfigurationError } from './errors.ts';
import { nameInput, say } from './wording.ts';

/**
 * Replaces a file at once, so that no reader gets half of it. Its name while it is written ends in `.new`.
 * Secrets in the text are replaced.
 *
 * @param input the name of the input that names the file, for messages
 * @throws ConfigurationError when it cannot be written; the file of before is then as it was
 */
export async function replaceFile(
  file: string,
  text: string,
  { input, mode }: { readonly input: string; readonly mode: number },
  { redact, random }: Pick<Context, 'redact' | 'random'>,
): Promise<void> {
  const unfinished = `${file}.${random().toString(36).slice(2, 10)}.new`;
  try {
    await writeFile(unfinished, redact(text), { flag: 'wx', mode });
    await rename(unfinished, file);
  } catch (cause) {
    await rm(unfinished, { force: true });
    throw new ConfigurationError(
      say`${nameInput(input)}: ${JSON.stringify(file)} cannot be written`,
      'Write the path of a file in an existing folder that this user can write to.',
      cause,
    );
  }
}
