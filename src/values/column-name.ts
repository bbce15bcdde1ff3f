/** A column of a table, spelled as the catalog spells it */
export interface ColumnName {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
}
