import { ConfigurationError, PlatformError } from '../runtime/errors.ts';

/**
 * Why there is no answer to use. `unauthorized`: the token is not known, or not any more (401). `entitlement`:
 * the plan does not have it (402). `forbidden`: the token may not (403). `missing`: there is no such project for
 * this token (404). `limited`: too many requests (429). `refused`: any other status below 500. `failed`: 500 and
 * above. `silent`: no answer came, so that what was asked for may have been done. `unclear`: an answer came, and
 * is not what the API promises. `foreign`: it is about another project. `future`: it names a time that has not come.
 */
export type FailureCause =
  | 'unauthorized'
  | 'entitlement'
  | 'forbidden'
  | 'missing'
  | 'limited'
  | 'refused'
  | 'failed'
  | 'silent'
  | 'unclear'
  | 'foreign'
  | 'future';

/** What is known of a failure besides its cause. */
export interface FailureDetails {
  /** Of HTTP; 0 when there was no answer */
  readonly status: number;
  /** What the API says about it, in at most 300 characters; empty when it says nothing */
  readonly words: string;
  /** With `forbidden`: the permissions that a scoped token lacks, as far as the API names them */
  readonly missing: readonly string[];
  /** With `entitlement`: the feature that the plan lacks, such as `backup.schedule`, where the API names it */
  readonly feature: string | undefined;
  /** milliseconds after which it may be asked again; undefined when waiting does not help */
  readonly waitMs: number | undefined;
  /** With `silent`: what to do about the connection, where that is known */
  readonly advice: string | undefined;
}

/** Thrown when the Management API refuses a request, fails, or does not answer. */
export class ManagementFailure extends Error {
  readonly reason: FailureCause;
  readonly details: FailureDetails;
  /** What to do, as one or more sentences */
  readonly next: string;

  /** @param what was asked for, as in "the list of backups" */
  constructor(reason: FailureCause, what: string, details: Partial<FailureDetails>, cause?: unknown) {
    const known = { ...nothing, ...details };
    const { sentence, next } = tellings[reason](what, known);
    super(sentence, cause === undefined ? undefined : { cause });
    this.name = 'ManagementFailure';
    this.reason = reason;
    this.details = known;
    this.next = next;
  }

  /**
   * Whether the request certainly changed nothing: it was answered, and refused. After all others it may have
   * been carried out.
   */
  get wasRefused(): boolean {
    return !['silent', 'failed', 'unclear', 'foreign', 'future'].includes(this.reason);
  }
}

const nothing: FailureDetails = {
  ...{ status: 0, words: '', missing: [] },
  ...{ feature: undefined, waitMs: undefined, advice: undefined },
};

interface Telling {
  readonly sentence: string;
  readonly next: string;
}

/** Where tokens are made (Supabase's documentation, Management API, authentication) */
const tokens = 'https://supabase.com/dashboard/account/tokens';
const statusPage = 'https://status.supabase.com';

const tellings: Readonly<Record<FailureCause, (what: string, details: FailureDetails) => Telling>> = {
  unauthorized: (what) => ({
    sentence: `supabase-access-token: Supabase does not know the token, so that ${what} cannot be read (401); it is maybe expired or revoked`,
    next: `Make a new one at ${tokens}, scoped to this project with the permission to read backups, and put it in its place. Tokens with scopes expire within a year.`,
  }),
  entitlement: (what, { feature, words }) => ({
    sentence: `the plan of the organization does not have ${feature ?? 'what is needed'} for ${what} (402${quote(words)})`,
    next: `Do without ${what}, or change the plan of the organization in the dashboard, under Billing.`,
  }),
  forbidden: (what, { missing, words }) => ({
    sentence: `supabase-access-token: the token may not get at ${what} (403): ${missing.length > 0 ? `it lacks ${missing.join(', ')}` : words || 'a permission, or a role in the organization, is missing'}`,
    next: `Give the token ${missing.length > 0 ? missing.join(', ') : 'the permission'} at ${tokens}, or make one that has it; docs/managed.md lists what each part needs.`,
  }),
  missing: (what, { words }) => ({
    sentence: `project-ref: Supabase has no project of this name for this token, and ${what} is not there (404${quote(words)})`,
    next: 'Write the twenty letters of the project as they stand in the address of its dashboard, and see that the token is of an account that is in its organization.',
  }),
  limited: (what, { waitMs }) => ({
    sentence: `Supabase's Management API takes no more requests for now, and ${what} was not answered (429)`,
    next: `Wait ${Math.ceil((waitMs ?? 60_000) / 1000)} seconds and run it again; the limit counts all tokens of an account together.`,
  }),
  refused: (what, { status, words }) => ({
    sentence: `Supabase's Management API refuses ${what} (${status}${quote(words)})`,
    next: 'Do what it says, and run it again. Nothing was changed.',
  }),
  failed: (what, { status, words }) => ({
    sentence: `Supabase's Management API failed at ${what} (${status}${quote(words)})`,
    next: `Nothing is wrong here: look at ${statusPage}, and run it again.`,
  }),
  silent: (what, { words, advice }) => ({
    sentence: `Supabase's Management API does not answer, and ${what} is not known: ${words}`,
    next: advice ?? `See whether this machine may connect to it, look at ${statusPage}, and run it again.`,
  }),
  foreign: (what) => ({
    sentence: `Supabase's Management API answered with ${what} of another name than was asked for, and is not believed`,
    next: 'See whether management-api-url is right, and what stands between this machine and Supabase.',
  }),
  future: (what, { words }) => ({
    sentence: `Supabase's Management API says something of the future about ${what}, and is not believed${quote(words)}`,
    next: 'See whether management-api-url and the clock of this machine are right, and look in the dashboard, under Database, Backups.',
  }),
  unclear: (what) => ({
    sentence: `Supabase's Management API answered with something else than ${what}`,
    next: 'See whether management-api-url is right; if it is, a newer version of supabase-backup may know the answer.',
  }),
};

function quote(words: string): string {
  return words === '' ? '' : `: ${words}`;
}

/** Returns the error that ends an operation which cannot go on without the answer. */
export function toKnownError(failure: ManagementFailure): ConfigurationError | PlatformError {
  const isMistake = ['unauthorized', 'forbidden', 'missing'].includes(failure.reason);
  const Kind = isMistake ? ConfigurationError : PlatformError;
  return new Kind(failure.message, failure.next, failure);
}
