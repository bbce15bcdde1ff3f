import { ConfigurationError, PlatformError, type Told } from '../runtime/errors.ts';
import { nameInput, say, type Wording } from '../runtime/wording.ts';

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
  /** The message and `next`, with their references to inputs */
  readonly told: Told;

  /** @param what was asked for, as in "the list of backups" */
  constructor(reason: FailureCause, what: string, details: Partial<FailureDetails>, cause?: unknown) {
    const known = { ...nothing, ...details };
    const { sentence, next } = tellings[reason](what, known);
    super(String(sentence), cause === undefined ? undefined : { cause });
    this.name = 'ManagementFailure';
    this.reason = reason;
    this.details = known;
    this.next = String(next);
    this.told = { message: sentence, next };
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
  readonly sentence: string | Wording;
  readonly next: string | Wording;
}

/** Where tokens are made (Supabase's documentation, Management API, authentication) */
const tokens = 'https://supabase.com/dashboard/account/tokens';
const statusPage = 'https://status.supabase.com';

const tellings: Readonly<Record<FailureCause, (what: string, details: FailureDetails) => Telling>> = {
  unauthorized: (what) => ({
    sentence: say`${nameInput('supabase-access-token')}: Supabase does not know the token, so ${what} cannot be read (401). It may have expired or been revoked`,
    next: `Create a new token at ${tokens}, scoped to this project, with permission to read backups, and replace the old one. Scoped tokens expire within a year.`,
  }),
  entitlement: (what, { feature, words }) => ({
    sentence: `the organization's plan does not include ${feature ?? 'what is needed'} for ${what} (402${quote(words)})`,
    next: `Work without ${what}, or change the organization's plan in the dashboard, under Billing.`,
  }),
  forbidden: (what, { missing, words }) => ({
    sentence: say`${nameInput('supabase-access-token')}: the token has no access to ${what} (403): ${missing.length > 0 ? `it lacks ${missing.join(', ')}` : words || 'a permission, or a role in the organization, is missing'}`,
    next: `Give the token ${missing.length > 0 ? missing.join(', ') : 'the permission'} at ${tokens}, or create a token that has it. docs/managed.md lists what each part needs.`,
  }),
  missing: (what, { words }) => ({
    sentence: say`${nameInput('project-ref')}: this token has no access to a project with this reference, so ${what} was not found (404${quote(words)})`,
    next: "Copy the twenty letters from the URL of the project's dashboard, and check that the token belongs to an account in its organization.",
  }),
  limited: (what, { waitMs }) => ({
    sentence: `Supabase's Management API accepts no more requests for now, and did not return ${what} (429)`,
    next: `Wait ${Math.ceil((waitMs ?? 60_000) / 1000)} seconds and run it again. All tokens of an account share the limit.`,
  }),
  refused: (what, { status, words }) => ({
    sentence: `Supabase's Management API refused ${what} (${status}${quote(words)})`,
    next: 'Follow its message, and run this again. Nothing was changed.',
  }),
  failed: (what, { status, words }) => ({
    sentence: `Supabase's Management API failed at ${what} (${status}${quote(words)})`,
    next: `The problem is on their side. Check ${statusPage}, and run this again.`,
  }),
  silent: (what, { words, advice }) => ({
    sentence: `Supabase's Management API does not answer, so ${what} is unknown: ${words}`,
    next: advice ?? `Check that this machine can connect to it, check ${statusPage}, and run this again.`,
  }),
  foreign: (what) => ({
    sentence: `Supabase's Management API answered with ${what} of another project, and the answer is ignored`,
    next: say`Check ${nameInput('management-api-url')}, and any proxy between this machine and Supabase.`,
  }),
  future: (what, { words }) => ({
    sentence: `Supabase's Management API gave a time in the future for ${what}, and the answer is ignored${quote(words)}`,
    next: say`Check ${nameInput('management-api-url')} and the clock of this machine, and look in the dashboard, under Database, Backups.`,
  }),
  unclear: (what) => ({
    sentence: `Supabase's Management API gave an unexpected answer instead of ${what}`,
    next: say`Check ${nameInput('management-api-url')}. If it is right, a newer version of supabase-backup may understand the answer.`,
  }),
};

function quote(words: string): string {
  return words === '' ? '' : `: ${words}`;
}

/** Returns the error that ends an operation which cannot go on without the answer. */
export function toKnownError(failure: ManagementFailure): ConfigurationError | PlatformError {
  const isMistake = ['unauthorized', 'forbidden', 'missing'].includes(failure.reason);
  const Kind = isMistake ? ConfigurationError : PlatformError;
  return new Kind(failure.told.message, failure.told.next, failure);
}
