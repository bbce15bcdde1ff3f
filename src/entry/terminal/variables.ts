import { stepVariable } from '../../github/step.ts';
import { listFormerNames } from '../../interface/inputs/former-names.ts';
import { inputNames } from '../../interface/inputs/schema.ts';
import { findNearest } from '../../values/nearest.ts';
import { configOption } from './arguments.ts';
import { environmentName } from './help.ts';

const prefix = environmentName('');

/**
 * Warns of variables that look like those of inputs and are read by nobody: a misspelt one would have no
 * effect, and nobody would notice.
 */
export function adviseVariables(env: NodeJS.ProcessEnv): string[] {
  const known = [...inputNames, ...listFormerNames(), configOption.name].map((name) =>
    environmentName(name).slice(prefix.length),
  );
  return Object.keys(env).flatMap((variable) => {
    if (!variable.startsWith(prefix) || variable === stepVariable || !env[variable]) return [];
    const word = variable.slice(prefix.length);
    const near = known.includes(word) ? undefined : findNearest(word, known);
    return near === undefined ? [] : [`${variable} is set but not used. Did you mean ${prefix}${near}?`];
  });
}
