import { type FormerName, formerNames, isFormerName } from '../../interface/inputs/former-names.ts';
import { operations } from '../../interface/inputs/operations.ts';
import { quoteWord } from '../../interface/inputs/parse.ts';
import { type InputName, inputNames, inputs } from '../../interface/inputs/schema.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { editDistance } from '../../values/edit-distance.ts';

/** Switches that only the command line has, besides the inputs. */
export const switches = {
  json: 'Print the outputs as one JSON object on stdout instead of a report.',
  verbose: 'Print debugging lines, too.',
  help: 'Print this help; after an operation, its inputs.',
  version: 'Print the version.',
} as const;
export type Switch = keyof typeof switches;

export interface Arguments {
  readonly switches: ReadonlySet<Switch>;
  /** Inputs on the command line; `operation` is the first word without dashes. */
  readonly inputs: ReadonlyMap<InputName, string>;
  /** Former names that were used; `inputs` holds their values under the present names. */
  readonly formerNames: ReadonlySet<FormerName>;
}

/**
 * Parses `<operation> --name value --name=value --flag`, and `<operation> <value>` of an input that may stand
 * without its name.
 *
 * @throws ConfigurationError
 */
export function parseArguments(argv: readonly string[]): Arguments {
  const found = new Set<Switch>();
  const given = new Map<InputName, string>();
  const former = new Set<FormerName>();
  const rest = [...argv];

  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === '-h') argument = '--help';
    if (!argument.startsWith('-')) {
      give('operation', argument);
      continue;
    }
    const [, name = '', inline] = /^--?([^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
    if (isSwitch(name)) {
      found.add(name);
    } else if (isInputName(name)) {
      give(name, inline ?? takeValue(name));
    } else if (isFormerName(name)) {
      former.add(name);
      give(formerNames[name], inline ?? takeValue(formerNames[name]));
    } else {
      throw unknownArgument(name);
    }
  }
  return { switches: found, inputs: given, formerNames: former };

  function takeValue(name: InputName): string {
    const next = rest[0];
    if (inputs[name].flag && next !== 'true' && next !== 'false') return 'true';
    if (next === undefined || next.startsWith('--')) {
      throw new ConfigurationError(
        `--${name} has no value`,
        `Write --${name} <${inputs[name].placeholder}>.`,
      );
    }
    rest.shift();
    return next;
  }

  function give(name: InputName, value: string): void {
    const before = given.get(name);
    const second = name === 'operation' ? findPositional(before) : undefined;
    if (second !== undefined && !given.has(second)) return void given.set(second, value);
    if (before !== undefined && name === 'operation') {
      throw new ConfigurationError(
        `${quoteWord(value)} stands after the operation ${quoteWord(before)}`,
        'Write one operation, and every value after the --name of its input.',
      );
    }
    if (before !== undefined) {
      throw new ConfigurationError(
        `--${name} is given twice`,
        'Write it once; a list is separated by commas.',
      );
    }
    // An unset variable of a shell script gives an empty value, which would mean everything.
    if (name === 'include' && value.trim() === '') {
      throw new ConfigurationError(
        '--include is empty',
        'Name what is meant, or leave --include out for everything.',
      );
    }
    given.set(name, value);
  }
}

/** The input whose value may stand after this operation, without its name */
function findPositional(operation: string | undefined): InputName | undefined {
  return inputNames.find(
    (name) => inputs[name].positional && inputs[name].operations.some((one) => one === operation),
  );
}

function isSwitch(name: string): name is Switch {
  return Object.hasOwn(switches, name);
}

function isInputName(name: string): name is InputName {
  return Object.hasOwn(inputs, name);
}

function unknownArgument(name: string): ConfigurationError {
  const nearest = findNearest(name, [...inputNames, ...Object.keys(switches)]);
  return new ConfigurationError(
    `there is no input --${name}`,
    nearest === undefined
      ? `\`supabase-backup <operation> --help\` lists the inputs of ${operations.join(', ')}.`
      : `Did you mean --${nearest}?`,
  );
}

/** Finds the candidate at the smallest edit distance, if it is at most half the length of the word. */
function findNearest(word: string, candidates: readonly string[]): string | undefined {
  const [nearest] = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .filter(({ distance }) => distance <= word.length / 2)
    .sort((a, b) => a.distance - b.distance);
  return nearest?.candidate;
}
