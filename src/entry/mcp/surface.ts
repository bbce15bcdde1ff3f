import { inputNames } from '../../interface/inputs/schema.ts';
import type { NameInput } from '../../runtime/wording.ts';
import { environmentName } from '../terminal/help.ts';

/**
 * Names inputs as an assistant sets them: as an argument where the tool has one, and else as a variable in the
 * environment of the server, which only whoever runs it can set.
 *
 * @param given the names of the arguments that the tool takes
 */
export function nameForAssistant(given: readonly string[]): NameInput {
  return ({ input, value, sample }) => {
    const isArgument = given.includes(input) || !inputNames.some((name) => name === input);
    const name = isArgument ? input : environmentName(input);
    if (sample !== undefined)
      return isArgument
        ? `Give it, for example as ${sample}.`
        : `Whoever runs this server sets ${name} in its environment.`;
    if (value === undefined) return name;
    return isArgument ? `${name}: ${value}` : `${name}=${value}`;
  };
}
