/*
 * Messages name inputs, and an input has another name wherever somebody sets it: `--confirm`, an environment
 * variable, a key below `with:`. So a message holds a reference, and the entry that shows it writes the name
 * that stands in front of its user.
 */

/** An input that a message names. */
export interface InputReference {
  /** As in the schema of the inputs */
  readonly input: string;
  /** What to set it to; undefined where only the input is named */
  readonly value?: string | undefined;
  /**
   * Where the input is required and absent: a sample value. Then the reference stands for the sentence that
   * asks the user to set it.
   */
  readonly sample?: string;
}

/** Writes an input, or how to set it, as the user of one entry sets inputs. */
export type NameInput = (reference: InputReference) => string;

/** A text with references to inputs in it. */
export class Wording {
  readonly parts: readonly (string | InputReference)[];

  constructor(parts: readonly (string | InputReference)[]) {
    this.parts = parts;
  }

  render(name: NameInput): string {
    return this.parts.map((part) => (typeof part === 'string' ? part : name(part))).join('');
  }

  /** Changes the texts between the references, for example to take secrets out of them. */
  map(change: (text: string) => string): Wording {
    return new Wording(this.parts.map((part) => (typeof part === 'string' ? change(part) : part)));
  }

  /** The text for wherever nobody knows who will read it: as a workflow sets inputs. */
  toString(): string {
    return this.render(nameForWorkflow);
  }
}

/** A tag for templates: `` say`${nameInput('confirm')} is empty` ``. */
export function say(
  texts: TemplateStringsArray,
  ...values: readonly (string | number | undefined | InputReference | Wording)[]
): Wording {
  return new Wording(
    texts.flatMap((text, index) => {
      if (index === values.length) return [text];
      const value = values[index];
      if (value instanceof Wording) return [text, ...value.parts];
      return [text, typeof value === 'object' ? value : String(value)];
    }),
  );
}

/** Names an input in a message, and what to set it to, if anything. */
export function nameInput(input: string, value?: string): InputReference {
  return { input, value };
}

/** Names several inputs, separated by commas. */
export function nameInputs(inputs: readonly string[]): Wording {
  return new Wording(inputs.flatMap((input, index) => (index === 0 ? [{ input }] : [', ', { input }])));
}

/** Asks for an input that is required and absent. */
export function askFor(input: string, sample: string): InputReference {
  return { input, sample };
}

/** `backup-id`, or `confirm: RESTORE PRODUCTION`, as below `with:` */
export function nameForWorkflow({ input, value, sample }: InputReference): string {
  if (sample !== undefined) return `Set it, for example to ${sample}.`;
  return value === undefined ? input : `${input}: ${value}`;
}

export function renderWording(text: string | Wording, name: NameInput): string {
  return typeof text === 'string' ? text : text.render(name);
}
