/** What the labels of safety backups begin with. */
export const labelStart = 'before restore of ';

/** A safety backup shows a database in trouble: only its own id means it, and no `latest` or the like. */
export function isSafetyBackup({ label }: { readonly label: string | null }): boolean {
  return label?.startsWith(labelStart) ?? false;
}
