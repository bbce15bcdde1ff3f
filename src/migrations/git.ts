import { buffer } from 'node:stream/consumers';
import { gitEnvironment } from '../postgres/client/environment.ts';
import { startTool } from '../postgres/client/process.ts';
import type { Context } from '../runtime/context.ts';
import { messageOf } from '../runtime/errors.ts';

export type GitContext = Pick<Context, 'env' | 'signal'>;

/** Thrown when git cannot tell what changed */
export class NoComparison extends Error {
  readonly next: string;

  constructor(message: string, next: string, cause?: unknown) {
    super(message, { cause });
    this.next = next;
  }
}

/** Settings for output that a program reads, and for commands that write nothing and ask no questions */
const forAnswers = {
  LC_ALL: 'C',
  GIT_LITERAL_PATHSPECS: '1',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
};

/**
 * Runs git and returns its output.
 *
 * @throws ToolError when git fails
 */
export async function askGit(args: readonly string[], context: GitContext, input?: string): Promise<string> {
  return (await askForBytes(args, context, input)).toString();
}

/**
 * Runs git for an answer that a whole checkout always has.
 *
 * @throws NoComparison when git fails
 */
export async function readGit(args: readonly string[], context: GitContext, input?: string): Promise<Buffer> {
  try {
    return await askForBytes(args, context, input);
  } catch (cause) {
    throw new NoComparison(
      `git cannot read the migrations (${messageOf(cause)})`,
      'See that the repository is checked out whole.',
      cause,
    );
  }
}

async function askForBytes(args: readonly string[], context: GitContext, input?: string): Promise<Buffer> {
  const env = gitEnvironment(context.env, forAnswers);
  const run = startTool('git', args, { env, signal: context.signal, ...(input !== undefined && { input }) });
  const [bytes] = await Promise.all([buffer(run.stdout), run.done]);
  return bytes;
}
