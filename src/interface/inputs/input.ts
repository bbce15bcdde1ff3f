import type { Operation } from './operations.ts';

/** One input: who reads it, what it means, and how it is told to people. */
export interface Input {
  /** The operations that read it. */
  readonly operations: readonly Operation[];
  /** One of these operations cannot do without it. */
  readonly required?: true;
  /** What an absent input means: the same for every operation, or one value each. */
  readonly default?: string | Readonly<Partial<Record<Operation, string>>>;
  /** Never printed, and masked on a runner before the first line. */
  readonly secret?: true;
  /** `true` or `false`; on the command line its name alone means true. */
  readonly flag?: true;
  /** Stands for the value in `--help`. */
  readonly placeholder: string;
  /** What a value looks like, for those who gave none. */
  readonly example?: string;
  /** Complete sentences; the default and the secrecy are added where it is printed. */
  readonly description: string;
  /** Gets a trimmed text that is not empty. Throws `Problem` and nothing else. */
  parse(text: string): unknown;
}
