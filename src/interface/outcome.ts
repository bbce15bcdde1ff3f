import type { Section } from '../report/section.ts';
import type { ExitCode } from '../runtime/errors.ts';
import type { Wording } from '../runtime/wording.ts';
import type { Digest } from './digest.ts';

/** What the record of a run has of a backup that was taken */
export interface TakenFigures {
  /** `full`, `incremental` or `schema` */
  readonly type: string;
  readonly rows: number;
  readonly bytes: number;
  readonly storedBytes: number;
  readonly newBytes: number;
  readonly objects: number;
  /** milliseconds by phase */
  readonly phases: Readonly<Record<string, number>>;
}

/** The result of an operation as fields, and what is made of it; for a way in that answers with fields. */
export interface Told<Result> {
  readonly result: Result;
  readonly outcome: Outcome;
}

/** The result of an operation. The entries turn it into outputs, a job summary, JSON and an exit code. */
export interface Outcome {
  /**
   * 0: done. 3: it ran, and the answer is no (a restore that differs, a damaged backup). Failures are thrown.
   */
  readonly exitCode: Extract<ExitCode, 0 | 3>;
  /** With exit code 3: what was found, as sentences or the end of one; for whoever does not see the report */
  readonly found?: string | Wording | undefined;
  /** Values for later steps: kebab-case names as in action.yml and `outputs` of `--json`; empty where there is none. */
  readonly outputs: Readonly<Record<string, string | number | boolean>>;
  /**
   * What outputs cannot hold, for `--json`, by the schema in `details.ts` of the operation. A text that names
   * inputs is a `Wording`.
   */
  readonly details?: object;
  /** The result for people, in order. Rendered as text on a terminal and as Markdown in a job summary. */
  readonly report: readonly Section[];
  /** The backup that was taken, by whichever operation; for the record of the run */
  readonly taken?: TakenFigures;
  /**
   * What is printed in place of the report where another format was asked for. Summaries and alarms have the
   * report all the same. It ends with a line break.
   */
  readonly printed?: string;
  /** What the entries also send to the channels of alarms, where it was asked for. */
  readonly digest?: Digest;
}
