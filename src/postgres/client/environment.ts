declare const chosen: unique symbol;

/** What a program of others gets for an environment. The type has no other maker than this file, so that none gets all that we have. */
export type ToolEnvironment = NodeJS.ProcessEnv & { readonly [chosen]: true };

/** Without these a program is not found, finds no files of its own, or speaks another language. */
const ofEveryTool =
  /^(PATH|HOME|USERPROFILE|LANG|LC_[A-Z]+|TMPDIR|TZ|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|SYSTEMROOT)$/i;

/** Where and for what a job runs. What the runner reads back (GITHUB_ENV, GITHUB_OUTPUT, GITHUB_PATH, GITHUB_STATE) is our step's own. */
const ofTheJob =
  /^(CI|USER|LOGNAME|SHELL|RUNNER_(OS|ARCH)|GITHUB_(ACTIONS|WORKSPACE|REPOSITORY|SHA|REF|REF_NAME|REF_TYPE|BASE_REF|HEAD_REF|EVENT_NAME|ACTOR|WORKFLOW|JOB|RUN_ID|RUN_NUMBER|RUN_ATTEMPT|SERVER_URL|API_URL))$/;

export const isOfEveryTool = (name: string): boolean => ofEveryTool.test(name);

/** What a program says is read, and told without what it quotes; LC_ALL goes before all others. */
const inEnglish = { LC_ALL: 'C' };

/**
 * A list of what is let through, because secrets have any name: keys of a storage, tokens of the runner, our own inputs.
 *
 * @param added what this program needs besides
 */
export function toolEnvironment(env: NodeJS.ProcessEnv, added: NodeJS.ProcessEnv = {}): ToolEnvironment {
  return choose(env, (name) => ofEveryTool.test(name), { ...inEnglish, ...added });
}

/** For a command of the user, which may want to know which job it is in. */
export function commandEnvironment(env: NodeJS.ProcessEnv, added: NodeJS.ProcessEnv): ToolEnvironment {
  return choose(env, (name) => ofEveryTool.test(name) || ofTheJob.test(name), added);
}

/** For git, which is told by its own variables where to look. */
export function gitEnvironment(env: NodeJS.ProcessEnv, added: NodeJS.ProcessEnv): ToolEnvironment {
  return choose(env, (name) => ofEveryTool.test(name) || /^(GIT_.*|XDG_CONFIG_HOME)$/.test(name), added);
}

function choose(
  env: NodeJS.ProcessEnv,
  isWanted: (name: string) => boolean,
  added: NodeJS.ProcessEnv,
): ToolEnvironment {
  const kept = Object.entries(env).filter(([name]) => isWanted(name));
  return { ...Object.fromEntries(kept), ...added } as ToolEnvironment;
}
