/** A key that was made, by where it is; the key itself is in the files alone. */
export interface MadeKey {
  /** The public half (`age1…`), for which backups are encrypted */
  readonly recipient: string;
  /** Absolute path of the file with the identity */
  readonly keyFile: string;
  /** Absolute path of the page to print */
  readonly recoverySheet: string;
}
