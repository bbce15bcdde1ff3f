import { type Operation, operationSummaries, operations } from '../../../interface/inputs/operations.ts';
import { type InputName, inputNames, inputs } from '../../../interface/inputs/schema.ts';
import { configOption, switches } from '../arguments.ts';

/** What may stand on the command line, as far as a shell can complete it. */
export interface Vocabulary {
  readonly commands: readonly Command[];
  readonly options: readonly Option[];
}

export interface Command {
  readonly name: string;
  readonly description: string;
}

export interface Option {
  readonly name: string;
  /** One sentence without its full stop */
  readonly description: string;
  readonly value: OptionValue;
  /** The commands that take it; undefined: all operations */
  readonly commands: readonly string[] | undefined;
}

export type OptionValue =
  | { readonly kind: 'none' }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'folder' | 'file' | 'text'; readonly placeholder: string };

/** Shells that a script can be written for */
export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** Commands that are no operations, with the words that stand after them */
export const otherCommands = {
  mcp: { description: 'Serve an assistant over the Model Context Protocol', words: [] },
  completion: { description: 'Print a script with which a shell completes these words', words: shells },
} as const satisfies Record<string, { description: string; words: readonly string[] }>;

/**
 * Lists what may be completed. Inputs that are secrets are left out: they belong in the environment, because
 * the arguments of a process are shown to everybody on the machine.
 */
export function listWords(): Vocabulary {
  const names = inputNames.filter((name) => name !== 'operation' && !inputs[name].secret);
  return {
    commands: [
      ...operations.map((name) => ({ name, description: operationSummaries[name] })),
      ...Object.entries(otherCommands).map(([name, { description }]) => ({ name, description })),
    ],
    options: [
      ...names.map((name) => ({
        name,
        description: firstSentence(inputs[name].description),
        value: toValue(name),
        commands: inputs[name].operations,
      })),
      ...Object.entries(switches).map(([name, { description }]) => ({
        name,
        description: firstSentence(description),
        value: { kind: 'none' } as const,
        commands: undefined,
      })),
      {
        name: configOption.name,
        description: firstSentence(configOption.description),
        value: { kind: 'file', placeholder: configOption.placeholder },
        commands: undefined,
      },
    ],
  };
}

/** Lists the options of one operation. */
export function optionsOf(operation: Operation, { options }: Vocabulary): readonly Option[] {
  return options.filter(({ commands }) => commands === undefined || commands.includes(operation));
}

function toValue(name: InputName): OptionValue {
  const { flag, parse, placeholder } = inputs[name];
  if (flag) return { kind: 'none' };
  if (parse.form?.kind === 'choice') return { kind: 'choice', values: parse.form.values };
  if (placeholder === 'folder' || placeholder === 'location') return { kind: 'folder', placeholder };
  return { kind: ['file', 'path'].includes(placeholder) ? 'file' : 'text', placeholder };
}

/** The first sentence as plain text: an abbreviation or a file name does not end one. */
function firstSentence(markdown: string): string {
  const plain = markdown.replaceAll('`', '').replaceAll(/\s+/g, ' ');
  const [sentence = plain] = /^.*?[^.](?=\.(?: [A-Z]|$))/.exec(plain) ?? [];
  return sentence;
}
