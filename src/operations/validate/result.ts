/** What is wrong, and what it costs. */
export interface Damage {
  /** null for captured changes, which belong to none */
  readonly backup: string | null;
  readonly where: 'manifest' | 'objects' | 'contents';
  /** For people: a table with its pages, the archive, the manifest itself, or captured changes */
  readonly part: string;
  readonly how: string;
}

/** What a validation has read, and what it has found. */
export interface Validation {
  /** Backups that were looked at, those with a damaged manifest too */
  readonly backups: number;
  /** Ids */
  readonly broken: ReadonlySet<string>;
  /** Segments of captured changes whose headers could be read */
  readonly segments: number;
  /** Objects that are listed */
  readonly objects: number;
  readonly objectsChecked: number;
  /** bytes */
  readonly read: number;
  /** Archives that pg_restore was asked to list */
  readonly archives: number;
  /** `sealed`: no identity opens all of them, so that stored bytes were hashed */
  readonly encryption: 'none' | 'opened' | 'sealed';
  readonly damages: readonly Damage[];
  /** What could not be read, and may be whole */
  readonly unread: readonly Damage[];
  /** milliseconds */
  readonly elapsed: number;
}

/** Whether all that was looked at could be read, and none of it is damaged. */
export function isSound({ damages, unread }: Pick<Validation, 'damages' | 'unread'>): boolean {
  return damages.length === 0 && unread.length === 0;
}
