/** A column of a table, by the names of the database */
export interface ColumnName {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
}
