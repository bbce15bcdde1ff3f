import type { NotifyChannel } from './operations.ts';

/* The parsed inputs of the operations that set a repository up. */

/** What `init` was told; what is undefined is asked for, where somebody can be asked. */
export interface InitInputs extends KeyFileInputs {
  readonly operation: 'init';
  readonly databases: readonly string[] | undefined;
  readonly storage: string | undefined;
  readonly s3Endpoint: string | undefined;
  readonly s3Region: string | undefined;
  readonly projectRef: string | undefined;
  readonly notify: readonly NotifyChannel[] | undefined;
  readonly mailFrom: string | undefined;
  readonly mailTo: readonly string[] | undefined;
  /** Empty: a key is made */
  readonly encryptionRecipients: readonly string[];
  /** This action, pinned: OWNER/REPO@COMMIT */
  readonly action: string | undefined;
  /** OWNER/REPO of the workflows; undefined: as the remote says */
  readonly githubRepository: string | undefined;
  /** Path of the policy file, which does not exist yet */
  readonly policy: string;
  /** The folder of the workflows; it may not exist yet */
  readonly workflows: string;
  readonly dryRun: boolean;
}

/** Where a key and its recovery sheet are put; what is undefined has a usual place. */
export interface KeyFileInputs {
  readonly keyFile: string | undefined;
  readonly recoverySheet: string | undefined;
}

export interface KeygenInputs extends KeyFileInputs {
  readonly operation: 'keygen';
  /** What the key is called; undefined: as the program */
  readonly database: string | undefined;
}
