import type { Wording } from '../runtime/wording.ts';

export type Section =
  | { readonly kind: 'heading'; readonly text: string; readonly tone?: Tone | undefined }
  /** Where it names inputs, an entry names them as its user sets them. */
  | { readonly kind: 'paragraph'; readonly text: string | Wording; readonly tone?: Tone | undefined }
  | {
      readonly kind: 'table';
      readonly columns: readonly Column[];
      readonly rows: readonly (readonly Cell[])[];
      /** Of each row */
      readonly tones?: readonly (Tone | undefined)[];
    }
  /** Text to copy and run; it is kept line by line. */
  | { readonly kind: 'code'; readonly language: 'sql' | 'diff' | 'sh' | 'yaml'; readonly text: string };

/** Whether something is as it should be; a terminal has a colour for each. */
export type Tone = 'good' | 'warning' | 'bad';

/** A cell of a table, which may name inputs as a paragraph may */
export type Cell = string | Wording;

export interface Column {
  readonly title: string;
  /** Numbers are aligned right; `left` when undefined. */
  readonly align?: 'left' | 'right';
}
