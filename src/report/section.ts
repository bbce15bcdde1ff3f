export type Section =
  | { readonly kind: 'heading'; readonly text: string }
  | { readonly kind: 'paragraph'; readonly text: string }
  | {
      readonly kind: 'table';
      readonly columns: readonly Column[];
      readonly rows: readonly (readonly string[])[];
    }
  /** Text to copy and run; it is kept line by line. */
  | { readonly kind: 'code'; readonly language: 'sql' | 'diff' | 'sh' | 'yaml'; readonly text: string };

export interface Column {
  readonly title: string;
  /** Numbers are aligned right; `left` when undefined. */
  readonly align?: 'left' | 'right';
}
