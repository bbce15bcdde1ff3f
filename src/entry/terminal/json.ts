import { operations } from '../../interface/inputs/operations.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { outputNames, outputs } from '../../interface/outputs.ts';
import { printableJson } from '../../report/printable.ts';
import type { Redact } from '../../report/redact.ts';
import type { Section } from '../../report/section.ts';
import { assertNever } from '../../runtime/errors.ts';
import { type NameInput, Wording } from '../../runtime/wording.ts';
import type { Failure } from '../process/failure.ts';

/** Of what `--json` prints. It rises when a field goes or means something else, and not when one is added. */
const contractVersion = 1;

/** A word of the contract. It is no secret, even where somebody's password is the same word, as `backup` may be. */
class Word {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What hides secrets, and names inputs as the user of a terminal sets them */
export interface Writing {
  readonly redact: Redact;
  readonly name: NameInput;
}

/** Renders what an operation came to, one line of JSON by `schema/output.schema.json`. */
export function renderOutcome(operation: string, outcome: Outcome, writing: Writing): string {
  const { exitCode, found, details, report } = outcome;
  return write(
    {
      ...{ version: contractVersion, operation: new Word(operation), exitCode },
      ...listOutputs(operation, outcome),
      ...{ found: found ?? null, details: details ?? null },
      ...{ report: report.map(toPlainSection), error: null },
    },
    writing,
  );
}

/**
 * Renders a failure by the same schema.
 *
 * @param operation as it was typed; null in the result when it is none
 */
export function renderFailure(operation: string | undefined, failure: Failure, writing: Writing): string {
  const { kind, message, next, exitCode } = failure;
  const known = operations.find((one) => one === operation);
  return write(
    {
      ...{ version: contractVersion, operation: known === undefined ? null : new Word(known), exitCode },
      ...{ found: null, details: null, report: [] },
      error: { kind: new Word(kind), message, next, exitCode },
    },
    writing,
  );
}

/** Lists all outputs of an operation. An output of a step is text, so lists and objects are JSON in it, and nothing is empty. */
function listOutputs(operation: string, { outputs: values }: Outcome): Record<string, unknown> {
  const own = outputNames.filter(
    // Whoever reads this was told by it; `announced` is for a later job of a workflow.
    (name) => name !== 'announced' && outputs[name].operations.some((one) => one === operation),
  );
  return Object.fromEntries(
    own.map((name) => {
      const value = values[name] ?? '';
      if (value === '') return [name, null];
      const { type } = outputs[name].value;
      if (type === 'picklist') return [name, new Word(String(value))];
      return [name, ['array', 'strict_object'].includes(type) ? JSON.parse(String(value)) : value];
    }),
  );
}

function toPlainSection(section: Section): object {
  const kind = new Word(section.kind);
  switch (section.kind) {
    case 'heading':
    case 'paragraph':
      return { kind, text: section.text };
    case 'code':
      return { kind, language: new Word(section.language), text: section.text };
    case 'table':
      return { kind, columns: section.columns.map(({ title }) => title), rows: section.rows };
    case 'details':
      return { kind, title: section.title, sections: section.sections.map(toPlainSection) };
    default:
      return assertNever(section);
  }
}

function write(value: object, { redact, name }: Writing): string {
  return `${printableJson(settle(value))}\n`;

  function settle(part: unknown): unknown {
    if (typeof part === 'string') return redact(part);
    if (part instanceof Word) return part.text;
    if (part instanceof Wording) return redact(part.render(name));
    if (part instanceof Date) return part.toISOString();
    if (Array.isArray(part)) return part.map(settle);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, one]) => [key, settle(one)]));
  }
}
