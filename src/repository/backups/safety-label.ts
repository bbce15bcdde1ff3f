/** The beginning of the label of every safety backup. */
export const labelStart = 'before restore of ';

/** A safety backup shows a database in trouble: only its own id selects it, no choice such as `latest`. */
export function isSafetyBackup({ label }: { readonly label: string | null }): boolean {
  return label?.startsWith(labelStart) ?? false;
}
