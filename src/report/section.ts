import type { Wording } from '../runtime/wording.ts';

/** A part of a report. The first of each report is a heading with a tone: the verdict. */
export type Section = Shown | Details;

/**
 * What matters less than the rest, such as the times of phases: a job summary folds it under its title, a
 * terminal shows it below.
 */
export interface Details {
  readonly kind: 'details';
  readonly title: string;
  readonly sections: readonly Shown[];
}

/** A part that is never folded on its own */
export type Shown =
  | { readonly kind: 'heading'; readonly text: string; readonly tone?: Tone | undefined }
  /**
   * Where it names inputs, an entry names them as its user sets them. What stands between backticks is code;
   * so are ids, times and addresses in Markdown (`src/report/inline.ts`), without a sign.
   */
  | { readonly kind: 'paragraph'; readonly text: string | Wording; readonly tone?: Tone | undefined }
  | {
      readonly kind: 'table';
      readonly columns: readonly Column[];
      readonly rows: readonly (readonly Cell[])[];
      /** Of each row */
      readonly tones?: readonly (Tone | undefined)[];
    }
  /** Text to copy and run; it is kept line by line. */
  | {
      readonly kind: 'code';
      readonly language: 'sql' | 'diff' | 'sh' | 'yaml' | 'text';
      readonly text: string;
    };

/** Whether something is as it should be; a terminal has a colour for each. */
export type Tone = 'good' | 'warning' | 'bad';

/** A cell of a table, which may name inputs as a paragraph may */
export type Cell = string | Wording;

export interface Column {
  readonly title: string;
  /** Numbers are aligned right; `left` when undefined. */
  readonly align?: 'left' | 'right';
  /** Whether its cells are shown literally as code: ids, schedules, paths, statements */
  readonly code?: boolean;
}
