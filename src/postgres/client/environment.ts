declare const chosen: unique symbol;

/**
 * The environment of an external program. Only this file can make a value of this type, so no program gets
 * our whole environment.
 */
export type ToolEnvironment = NodeJS.ProcessEnv & { readonly [chosen]: true };

/** Variables without which a program is not found, does not find its files, or speaks another language. */
const ofEveryTool =
  /^(PATH|HOME|USERPROFILE|LANG|LC_[A-Z]+|TMPDIR|TZ|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|SYSTEMROOT)$/i;

/**
 * Variables that describe the job. The files that the runner reads back (GITHUB_ENV, GITHUB_OUTPUT,
 * GITHUB_PATH, GITHUB_STATE) are reserved for our own step.
 */
const ofTheJob =
  /^(CI|USER|LOGNAME|SHELL|RUNNER_(OS|ARCH)|GITHUB_(ACTIONS|WORKSPACE|REPOSITORY|SHA|REF|REF_NAME|REF_TYPE|BASE_REF|HEAD_REF|EVENT_NAME|ACTOR|WORKFLOW|JOB|RUN_ID|RUN_NUMBER|RUN_ATTEMPT|SERVER_URL|API_URL))$/;

export const isOfEveryTool = (name: string): boolean => ofEveryTool.test(name);

/**
 * Messages of programs are parsed, to leave out what they quote. LC_ALL takes precedence over all other
 * variables.
 */
const inEnglish = { LC_ALL: 'C' };

/**
 * The environment of a client program. It is a list of allowed names, because a secret may have any name:
 * keys of a storage, tokens of the runner, our own inputs.
 *
 * @param added further variables for this program
 */
export function toolEnvironment(env: NodeJS.ProcessEnv, added: NodeJS.ProcessEnv = {}): ToolEnvironment {
  return choose(env, (name) => ofEveryTool.test(name), { ...inEnglish, ...added });
}

/** The environment of a user's command, which may want to know the job that it runs in. */
export function commandEnvironment(env: NodeJS.ProcessEnv, added: NodeJS.ProcessEnv): ToolEnvironment {
  return choose(env, (name) => ofEveryTool.test(name) || ofTheJob.test(name), added);
}

/** The environment of git, whose own variables tell it where to look. */
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
