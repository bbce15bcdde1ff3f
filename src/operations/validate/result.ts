/** Something that is damaged or could not be read, and the part that it affects. */
export interface Damage {
  /** Id of the backup; null for captured changes, which belong to no backup */
  readonly backup: string | null;
  /** Key of the segment of captured changes; null for a part of a backup */
  readonly segment: string | null;
  /** `manifest` is the header of a segment, too. */
  readonly where: 'manifest' | 'objects' | 'contents';
  /** For people: a table with its pages, the archive, the manifest itself, or captured changes */
  readonly part: string;
  readonly how: string;
}

/** A copy that was validated in place of the storage */
export interface ReadPlace {
  readonly name: string;
  readonly location: string;
  /** Why the storage could not be opened */
  readonly why: string;
}

/** Damaged objects, and how many of them the copies have whole */
export interface Curable {
  readonly whole: number;
  readonly damaged: number;
}

/** What a validation has read and found. */
export interface Validation {
  /** Checked backups, including those with a damaged manifest */
  readonly backups: number;
  /** Ids of damaged backups */
  readonly broken: ReadonlySet<string>;
  /** Segments of captured changes whose headers could be read */
  readonly segments: number;
  /** Objects that manifests and headers list */
  readonly objects: number;
  readonly objectsChecked: number;
  /** bytes */
  readonly read: number;
  /** Archives that pg_restore was asked to list */
  readonly archives: number;
  /**
   * `opened`: the identities open all backups and segments. `sealed`: they do not, so at least some objects
   * were only hashed as stored
   */
  readonly encryption: 'none' | 'opened' | 'sealed';
  readonly damages: readonly Damage[];
  /** Parts that could not be read, and may be whole */
  readonly unread: readonly Damage[];
  /** Undefined when the storage itself was validated */
  readonly instead: ReadPlace | undefined;
  /** Undefined without copies or damaged objects */
  readonly curable: Curable | undefined;
  /** milliseconds */
  readonly elapsed: number;
}

/** Whether everything checked could be read, and nothing is damaged. */
export function isSound({ damages, unread }: Pick<Validation, 'damages' | 'unread'>): boolean {
  return damages.length === 0 && unread.length === 0;
}
