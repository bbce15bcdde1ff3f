import type { Estimate } from '../../interface/estimate.ts';
import type { Wording } from '../../runtime/wording.ts';

export type Area = 'platform' | 'database' | 'storage' | 'keys' | 'workflows' | 'channels';

/** Every check, in the order in which they are told. */
export const checks = {
  'platform-token': { area: 'platform', title: 'token' },
  'platform-project': { area: 'platform', title: 'project' },
  'platform-backups': { area: 'platform', title: "Supabase's own backups" },
  'connection-string': { area: 'database', title: 'connection string' },
  address: { area: 'database', title: 'address' },
  reach: { area: 'database', title: 'reach' },
  tls: { area: 'database', title: 'TLS' },
  login: { area: 'database', title: 'login' },
  server: { area: 'database', title: 'server' },
  client: { area: 'database', title: 'client programs' },
  privileges: { area: 'database', title: 'privileges' },
  sessions: { area: 'database', title: 'sessions' },
  captures: { area: 'database', title: 'captures' },
  size: { area: 'database', title: 'size' },
  slot: { area: 'database', title: 'slot of captures' },
  listing: { area: 'storage', title: 'listing' },
  write: { area: 'storage', title: 'write and read back' },
  'create-only': { area: 'storage', title: 'create-only writes' },
  delete: { area: 'storage', title: 'delete' },
  versions: { area: 'storage', title: 'versions' },
  'default-retention': { area: 'storage', title: 'default retention' },
  clock: { area: 'storage', title: 'clock' },
  repository: { area: 'storage', title: 'repository' },
  copy: { area: 'storage', title: 'copy' },
  encryption: { area: 'keys', title: 'encryption' },
  identity: { area: 'keys', title: 'identity' },
  'newest-backup': { area: 'keys', title: 'newest backup' },
  policy: { area: 'workflows', title: 'policy' },
  workflows: { area: 'workflows', title: 'workflows' },
  token: { area: 'workflows', title: 'token' },
  schedules: { area: 'workflows', title: 'schedules' },
  'failure-issues': { area: 'channels', title: 'failure issues' },
  'notify-url': { area: 'channels', title: 'notify-url' },
  'slack-webhook-url': { area: 'channels', title: 'slack-webhook-url' },
  'mail-to': { area: 'channels', title: 'mail-to' },
  'heartbeat-url': { area: 'channels', title: 'heartbeat-url' },
} as const satisfies Record<string, { readonly area: Area; readonly title: string }>;
export type CheckName = keyof typeof checks;

/** What one check has come to. */
export type Check = {
  readonly name: CheckName;
  /** Which of several is meant, such as the name of a copy */
  readonly subject?: string;
  /** What was seen, in the engine's own words where it has failed */
  readonly reason: string | Wording;
} & (
  | { readonly state: 'ok' }
  /** A backup can be taken, and something should be looked at. */
  | { readonly state: 'warning'; readonly remedy: string | Wording }
  /** A backup cannot be taken, or could not be used. */
  | { readonly state: 'failed'; readonly remedy: string | Wording }
  /** It could not be checked, or was not to be. */
  | { readonly state: 'unchecked' }
);
export type CheckState = Check['state'];

/** Whether backups can be trusted to what was given, check by check. */
export interface Diagnosis {
  readonly checks: readonly Check[];
  /** Undefined where no database was given, or it could not be measured */
  readonly estimate: Estimate | undefined;
}

/** A check that asks for something to be done */
export type Complaint = Extract<Check, { readonly remedy: string | Wording }>;

/** What people call a check. */
export function titleOf({ name, subject }: Pick<Check, 'name' | 'subject'>): string {
  const { title } = checks[name];
  return subject === undefined ? title : `${title} ${subject}`;
}

export function listComplaints(
  { checks }: Pick<Diagnosis, 'checks'>,
  state: Complaint['state'],
): readonly Complaint[] {
  return checks.filter((check): check is Complaint => check.state === state);
}

/** What to do first: about the first failed check, or else about the first warning. */
export function findFirst(diagnosis: Pick<Diagnosis, 'checks'>): Complaint | undefined {
  return listComplaints(diagnosis, 'failed')[0] ?? listComplaints(diagnosis, 'warning')[0];
}
