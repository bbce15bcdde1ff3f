import type { Operation } from './operations.ts';

/** The groups in which inputs are listed, in this order, and their titles */
export const inputGroups = {
  general: 'The run',
  source: 'The database',
  storage: 'Storage',
  encryption: 'Encryption',
  copies: 'Copies',
  restore: 'Restore',
  proof: 'Proof',
  retention: 'Retention',
  limits: 'Limits and releases',
  platform: "Supabase's own backups",
  policy: 'Policy and workflows',
  report: 'Reports',
  records: 'Records in SQL',
  doctor: 'Doctor',
  alarm: 'Alarms',
  github: 'GitHub only',
  programs: 'PostgreSQL programs',
} as const;
export type InputGroup = keyof typeof inputGroups;

/** One input: which operations read it, how it is parsed, and how it is described. */
export interface Input {
  /** Where it is listed; `general` when undefined */
  readonly group?: InputGroup;
  /** The operations that read it. */
  readonly operations: readonly Operation[];
  /** An operation that reads it cannot do without it. */
  readonly required?: true;
  /** These operations cannot do without it; others that read it can. */
  readonly requiredFor?: readonly Operation[];
  /** These operations can, where another input stands in for it. */
  readonly optionalFor?: readonly Operation[];
  /** The value of an absent input: the same for every operation, or one for each. */
  readonly default?: string | Readonly<Partial<Record<Operation, string>>>;
  /** Never printed, and masked on a runner before the first line of output. */
  readonly secret?: true;
  /** `true` or `false`; on the command line the name alone means true. */
  readonly flag?: true;
  /**
   * On the command line a value of this form may stand without the name, after the operation. No secret has it:
   * whoever forgot the name of a secret input must not see its value in a message.
   */
  readonly positional?: RegExp;
  /** Stands for the value in `--help`. */
  readonly placeholder: string;
  /** A sample value, for the error when none was given. */
  readonly example?: string;
  /** Complete sentences; the default and the secrecy are added when it is printed. */
  readonly description: string;
  readonly parse: Parser;
}

/** Parses a trimmed text that is not empty. Throws `Problem` and nothing else. */
export interface Parser {
  (text: string): unknown;
  /** What the text may be, where few words say it; for whoever describes the input to a program */
  readonly form?: ValueForm;
}

export type ValueForm =
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'integer'; readonly least: number; readonly most: number };
