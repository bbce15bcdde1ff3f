import { type FormerName, formerNames, isFormerName } from '../../interface/inputs/former-names.ts';
import {
  isOperationAlias,
  type Operation,
  type OperationAlias,
  operationAliases,
  operations,
} from '../../interface/inputs/operations.ts';
import { type InputName, inputNames, inputs } from '../../interface/inputs/schema.ts';
import { formatCounted } from '../../report/quantity.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { findNearest } from '../../values/nearest.ts';

/** Switches that only the command line has, besides the inputs. */
export const switches = {
  json: {
    short: undefined,
    description: 'Print the outputs as one JSON object on stdout instead of a report.',
  },
  quiet: { short: 'q', description: 'Print results, warnings and errors only, and no progress.' },
  verbose: { short: 'v', description: 'Print debugging lines, too.' },
  help: { short: 'h', description: 'Print this help; after an operation, its inputs.' },
  version: { short: 'V', description: 'Print the version.' },
} as const;
export type Switch = keyof typeof switches;

/** The policy of the command line; `configuration.ts` beside this file reads it. */
export const configOption = {
  name: 'config',
  placeholder: 'file',
  description:
    'The policy that says where backups are kept, and by whom they can be opened. When absent, supabase-backup.yml of this folder, where no storage is named.',
} as const;
const switchNames = Object.keys(switches) as readonly Switch[];

export interface Arguments {
  readonly switches: ReadonlySet<Switch>;
  /** Inputs on the command line; `operation` is the first word without dashes. */
  readonly inputs: ReadonlyMap<InputName, string>;
  /** Former names that were used; `inputs` holds their values under the present names. */
  readonly formerNames: ReadonlySet<FormerName>;
  /** The file with the configuration, if one was named */
  readonly config: string | undefined;
  /** The word of another tool that was used for the operation, if one was */
  readonly alias: OperationAlias | undefined;
}

/**
 * Parses `<operation> --name value --name=value --flag`, and `<operation> <value>` of an input that may stand
 * without its name. `help <operation>` and `version` are the switches of these names.
 *
 * @throws ConfigurationError
 */
export function parseArguments(argv: readonly string[]): Arguments {
  return new Reader(argv).read();
}

class Reader {
  readonly #rest: string[];
  readonly #switches = new Set<Switch>();
  readonly #given = new Map<InputName, string>();
  readonly #former = new Set<FormerName>();
  #alias: OperationAlias | undefined;
  #config: string | undefined;

  constructor(argv: readonly string[]) {
    this.#rest = [...argv];
  }

  read(): Arguments {
    for (let word = this.#rest.shift(); word !== undefined; word = this.#rest.shift()) {
      if (word.startsWith('-')) this.#takeOption(word);
      else this.#takeWord(word);
    }
    return {
      ...{ switches: this.#switches, inputs: this.#given },
      ...{ formerNames: this.#former, alias: this.#alias, config: this.#config },
    };
  }

  #takeOption(word: string): void {
    const [, dashes = '', name = '', inline] = /^(--?)([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    const known = dashes === '-' ? (switchNames.find((one) => switches[one].short === name) ?? name) : name;
    if (isSwitch(known)) this.#takeSwitch(known, inline);
    else if (isInputName(name)) this.#give(name, inline ?? this.#takeValue(name));
    else if (isFormerName(name)) {
      this.#former.add(name);
      this.#give(formerNames[name], inline ?? this.#takeValue(formerNames[name]));
    } else if (name === configOption.name) {
      this.#takeConfig(inline ?? this.#rest.shift() ?? '');
    } else throw unknownOption(dashes, name);
  }

  /** What stands behind a switch would not be heeded, and `--json=false` would mean the opposite. */
  #takeSwitch(name: Switch, value: string | undefined): void {
    if (value !== undefined)
      throw new ConfigurationError(
        `--${name} has a value, and takes none`,
        `Write --${name}, or leave it out.`,
      );
    this.#switches.add(name);
  }

  #takeConfig(file: string): void {
    if (file === '' || file.startsWith('--'))
      throw new ConfigurationError('--config has no value', 'Write --config <file>.');
    if (this.#config !== undefined) throw new ConfigurationError('--config is given twice', 'Name one file.');
    this.#config = file;
  }

  #takeValue(name: InputName): string {
    const next = this.#rest[0];
    if (inputs[name].flag && next !== 'true' && next !== 'false') return 'true';
    if (next === undefined || next.startsWith('--')) {
      throw new ConfigurationError(
        `--${name} has no value`,
        `Write --${name} <${inputs[name].placeholder}>.`,
      );
    }
    this.#rest.shift();
    return next;
  }

  /** Takes a word that is neither an option nor the value of one. */
  #takeWord(word: string): void {
    const before = this.#given.get('operation');
    if (before === undefined) {
      if (!this.#switches.has('help') && isSwitchWord(word)) return void this.#switches.add(word);
      this.#alias = isOperationAlias(word) ? word : undefined;
      return void this.#given.set('operation', isOperationAlias(word) ? operationAliases[word] : word);
    }
    const operation = operations.find((one) => one === before);
    // An operation that does not exist is the mistake to tell of; `parseInputs` does.
    if (operation === undefined) return;
    const positional = findPositional(operation);
    const fits = positional !== undefined && inputs[positional].positional?.test(word) === true;
    if (!fits || this.#given.has(positional))
      throw unexpectedArgument(word, this.#alias ?? operation, positional);
    this.#given.set(positional, word);
  }

  #give(name: InputName, value: string): void {
    if (this.#given.has(name)) {
      throw new ConfigurationError(
        `--${name} is given twice`,
        'Write it once; a list is separated by commas.',
      );
    }
    // An unset variable of a shell script gives an empty value, which would mean everything.
    if (name === 'include' && value.trim() === '') {
      throw new ConfigurationError(
        '--include is empty',
        'Name the tables, or leave --include out to include everything.',
      );
    }
    this.#given.set(name, value);
  }
}

/** The input whose value may stand after this operation, without its name */
export function findPositional(operation: Operation): InputName | undefined {
  return inputNames.find(
    (name) => inputs[name].positional && inputs[name].operations.some((one) => one === operation),
  );
}

/** Words that stand for a switch where an operation would stand */
function isSwitchWord(word: string): word is 'help' | 'version' {
  return word === 'help' || word === 'version';
}

function isSwitch(name: string): name is Switch {
  return Object.hasOwn(switches, name);
}

function isInputName(name: string): name is InputName {
  return Object.hasOwn(inputs, name);
}

/** Hides what does not look like a word: the value of a secret whose `--name` was forgotten. */
function unexpectedArgument(
  word: string,
  operation: string,
  positional: InputName | undefined,
): ConfigurationError {
  const isWord = /^[a-z][a-z-]{0,19}$/i.test(word);
  const what = isWord
    ? `unexpected argument ${JSON.stringify(word)} after \`${operation}\``
    : `unexpected argument after \`${operation}\` (${formatCounted(word.length, 'character')}; hidden because it may be a secret)`;
  if (positional !== undefined)
    return new ConfigurationError(
      what,
      `Use --${positional} <${inputs[positional].placeholder}>, and write every other value after the --name of its input.`,
    );
  return new ConfigurationError(
    what,
    `Write one operation, and every value after the --name of its input; \`supabase-backup ${operation} --help\` lists them.`,
  );
}

function unknownOption(dashes: string, name: string): ConfigurationError {
  const negated = /^no-(.+)$/.exec(name)?.[1] ?? '';
  const next = `\`supabase-backup <operation> --help\` lists the inputs of an operation.`;
  if (isInputName(negated) && inputs[negated].flag)
    return new ConfigurationError(
      `there is no input ${dashes}${name}`,
      say`Did you mean ${nameInput(negated, 'false')}?`,
    );
  const nearest =
    dashes === '-' ? undefined : findNearest(name, [...inputNames, ...switchNames, configOption.name]);
  return new ConfigurationError(
    `there is no input ${dashes}${name}`,
    nearest === undefined ? next : `Did you mean --${nearest}?`,
  );
}
