import type { ManagementApi } from './api.ts';
import { type FailureCause, ManagementFailure } from './failure.ts';
import {
  type BackupListing,
  type Entitlements,
  type Project,
  readBackups,
  readBackupTime,
  readEntitlements,
  readPitrDays,
  readPlan,
  readProject,
} from './project.ts';

/** What was asked: its answer, or why there is none. A fact that could not be read is never taken for 0. */
export type Fact<Value> =
  | { readonly kind: 'read'; readonly value: Value }
  | { readonly kind: 'unread'; readonly failure: ManagementFailure }
  /** It could not be asked, because another fact is missing. */
  | { readonly kind: 'unasked' };

/** What is asked of a project and its organization, each with a permission of its own. */
export interface FactValues {
  readonly project: Project;
  readonly backups: BackupListing;
  /** The time of day of the daily backup, UTC */
  readonly schedule: string;
  /** Days of the add-on for point-in-time recovery; null without it */
  readonly pitrDays: number | null;
  /** Of the organization */
  readonly plan: string;
  readonly entitlements: Entitlements;
}

export type FactName = keyof FactValues;

/** In the order in which they are asked */
export const factNames = ['project', 'backups', 'schedule', 'pitrDays', 'plan', 'entitlements'] as const;

/** What the Management API says of one project. */
export type ManagedFacts = { readonly [Name in FactName]: Fact<FactValues[Name]> } & {
  readonly ref: string;
  /** When it was asked */
  readonly at: Date;
};

/**
 * Asks all that concerns the platform's backups of a project. What cannot be read leaves the rest readable.
 *
 * @throws what is no failure of the API: the run is stopped, or a proxy is set up wrong
 */
export async function readManagedFacts(api: ManagementApi, ref: string, at: Date): Promise<ManagedFacts> {
  const asking = new Asking();
  const project = await asking.attempt(() => readProject(api, ref));
  const slug = project.kind === 'read' ? project.value.organization : undefined;
  const ofOrganization = async <Value>(ask: (slug: string) => Promise<Value>): Promise<Fact<Value>> =>
    slug === undefined ? { kind: 'unasked' } : await asking.attempt(() => ask(slug));
  return {
    ref,
    at,
    project,
    backups: await asking.attempt(() => readBackups(api, ref)),
    schedule: await asking.attempt(() => readBackupTime(api, ref)),
    pitrDays: await asking.attempt(() => readPitrDays(api, ref)),
    plan: await ofOrganization((organization) => readPlan(api, organization)),
    entitlements: await ofOrganization((organization) => readEntitlements(api, organization)),
  };
}

/** Causes that hold for whatever else would be asked */
const lasting: ReadonlySet<FailureCause> = new Set(['silent', 'unauthorized']);

/** Asks one thing after another, and no more once nothing can be had: a status must not wait for each in turn. */
class Asking {
  #ended: ManagementFailure | undefined;

  async attempt<Value>(ask: () => Promise<Value>): Promise<Fact<Value>> {
    if (this.#ended !== undefined) return { kind: 'unread', failure: this.#ended };
    try {
      return { kind: 'read', value: await ask() };
    } catch (failure) {
      if (!(failure instanceof ManagementFailure)) throw failure;
      if (lasting.has(failure.reason)) this.#ended = failure;
      return { kind: 'unread', failure };
    }
  }
}

export function readValue<Value>(fact: Fact<Value>): Value | undefined {
  return fact.kind === 'read' ? fact.value : undefined;
}

/** Causes that pass by themselves: what was not read now may be read later. */
const passing: ReadonlySet<FailureCause> = new Set(['limited', 'failed', 'silent']);

export function isPassing({ reason }: ManagementFailure): boolean {
  return passing.has(reason);
}
