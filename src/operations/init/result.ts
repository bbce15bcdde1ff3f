import type { MadeKey } from '../keygen/result.ts';

/** A repository that was set up, or would be. */
export interface SetUp {
  readonly isDryRun: boolean;
  /** Path of the policy */
  readonly policy: string;
  /** Its text; in a dry run with a placeholder for the recipient of a key that would be made */
  readonly policyText: string;
  /** The workflows, and whether each is new or there already */
  readonly workflows: readonly {
    readonly file: string;
    readonly state: 'create' | 'update' | 'same' | 'remove';
  }[];
  /** Undefined: recipients were given, and no key was made */
  readonly key: MadeKey | undefined;
  readonly secrets: readonly SecretToSet[];
  /** Of all databases in 30 days, as GitHub bills a private repository; undefined on runners of your own */
  readonly minutes: number | undefined;
  /** What artifacts take; undefined where none are kept */
  readonly artifacts: ArtifactUse | undefined;
}

/** A secret of the repository on GitHub, without its value. */
export interface SecretToSet {
  readonly name: string;
  readonly purpose:
    | { readonly kind: 'database'; readonly database: string; readonly projectRef: string | undefined }
    /** `file`: the path of the file with it; undefined: wherever the user has it */
    | { readonly kind: 'identity'; readonly file: string | undefined }
    | { readonly kind: 'storage' }
    | { readonly kind: 'channel'; readonly channel: 'webhook' | 'slack' | 'mail' | 'heartbeat' };
}

export interface ArtifactUse {
  /** How many are kept at once at most */
  readonly kept: number;
  readonly days: number;
}
