import { createInterface } from 'node:readline';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';

interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/**
 * Makes the way in which a person is asked, on the screen of messages; undefined unless somebody sits at both
 * ends. The terminal itself edits the line, so that Ctrl-C interrupts as it does elsewhere.
 *
 * @returns throws ConfigurationError at the end of the answers
 */
export function createAsk(
  input: NodeJS.ReadableStream & { readonly isTTY?: boolean },
  screen: Screen,
  signal: AbortSignal,
): Context['ask'] {
  if (!input.isTTY || !screen.isTTY) return undefined;
  let answers: AsyncIterator<string> | undefined;
  return async ({ text, fallback }) => {
    answers ??= createInterface({ input, terminal: false, signal })[Symbol.asyncIterator]();
    screen.write(`${text}${fallback === '' ? '' : ` [${fallback}]`}: `);
    const { done, value } = await answers.next();
    signal.throwIfAborted();
    if (done !== true) return value;
    throw new ConfigurationError(
      `${text}: there was no answer`,
      'Answer, or give the inputs on the command line; `--help` lists them.',
    );
  };
}
