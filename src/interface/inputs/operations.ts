export const operations = [
  'backup',
  'capture',
  'validate',
  'restore',
  'drill',
  'cleanup',
  'list',
  'show',
  'pin',
  'unpin',
  'gate',
  'status',
  'report',
  'schedule',
  'alarm',
  'records',
  'doctor',
  'estimate',
  'managed',
  'mirror',
  'repair',
  'init',
  'keygen',
] as const;
export type Operation = (typeof operations)[number];

export const operationSummaries: Readonly<Record<Operation, string>> = {
  backup: 'Store a restore point of the database',
  capture: 'Store the changes committed since the last capture, for recovery to any point in time',
  validate: 'Read back what is stored and check every byte of it; needs no database',
  restore: 'Restore a backup into a database and compare the result with what the backup recorded',
  drill: 'Restore a backup into a scratch database, compare and test it, and measure how long that takes',
  cleanup: 'Remove the backups that the retention rules do not keep, and the data that only they used',
  list: 'List the stored backups, and why each of them is kept',
  show: 'Show the details of one stored backup',
  pin: 'Keep a backup forever, regardless of the retention rules',
  unpin: 'Let the retention rules apply to a pinned backup again',
  gate: 'Check before a release that the newest backup is fresh and proven; if not, take one or stop',
  status: 'Report how fresh, verified and drilled the backups are, and fail if a limit is broken',
  report:
    'Write a report on the backups of one or more databases: a dashboard with a restore manager, a runbook, or evidence for an audit',
  schedule: 'Generate the workflows of a policy file, explain the week, and check that GitHub runs them',
  alarm: 'Raise the alarm for the operation of a job that failed before it could raise it itself',
  managed:
    "Report on Supabase's own backups of the project next to those of the repository, and fail if something is wrong with them",
  mirror: 'Copy what is stored to other storages, and check the copies; deletes nothing',
  repair: 'Repair a storage from its copies: store again what is missing or damaged',
  records: 'Fill the records in a database from the repository, or compare them with it',
  doctor: 'Check database, storage, keys, workflows and alarm channels before you rely on them',
  estimate: 'Estimate how large a backup is, how long it takes and what it costs; needs only the database',
  init: 'Set up a repository: key, recovery sheet, policy and workflows; lists the secrets that you still have to set',
  keygen: 'Create a key for encrypted backups and a recovery sheet to print, on your own machine',
};

/** What other tools call an operation; the command line takes these words, and says what it took them for. */
export const operationAliases = {
  snapshots: 'list',
  ls: 'list',
  info: 'show',
  check: 'validate',
  verify: 'validate',
  forget: 'cleanup',
  prune: 'cleanup',
  expire: 'cleanup',
  copy: 'mirror',
  dump: 'backup',
} as const satisfies Readonly<Record<string, Operation>>;
export type OperationAlias = keyof typeof operationAliases;

export function isOperationAlias(word: string): word is OperationAlias {
  return Object.hasOwn(operationAliases, word);
}

/** Operations that work on a storage. */
export const storing = operations.filter(
  (name) => !['schedule', 'estimate', 'init', 'keygen'].includes(name),
);

/** Operations that know the copies of a repository. */
export const copying = [
  'backup',
  'capture',
  'validate',
  'restore',
  'drill',
  'status',
  'report',
  'mirror',
  'repair',
] as const;

/** Operations whose failure raises an alarm, and whose success ends it. */
export const announced = [
  'backup',
  'capture',
  'validate',
  'restore',
  'drill',
  'cleanup',
  'gate',
  'status',
  'schedule',
  'managed',
  'mirror',
  'repair',
] as const;

/** Operations whose runs are recorded in the repository: they change something, or prove it. */
export const recordedOperations = [
  'backup',
  'capture',
  'validate',
  'restore',
  'drill',
  'cleanup',
  'pin',
  'unpin',
  'gate',
  'mirror',
  'repair',
] as const;
export type RecordedOperation = (typeof recordedOperations)[number];

/** `announced`, and `alarm`, which raises the alarm of one of them */
export const alarming = [...announced, 'alarm'] as const;

/** `alarming`, and `doctor`, which looks whether the channels of alarms work */
export const channelling = [...alarming, 'doctor'] as const;

/** The inputs that switch a channel of alarms on */
export const channelInputs = [
  'failure-issues',
  'notify-url',
  'slack-webhook-url',
  'mail-to',
  'heartbeat-url',
] as const;
export type ChannelInput = (typeof channelInputs)[number];

/** The channels of alarms as `init` calls them */
export const notifyChannels = ['issues', 'webhook', 'slack', 'mail', 'heartbeat', 'none'] as const;
export type NotifyChannel = (typeof notifyChannels)[number];

/** The forms of a message to a webhook: ours, and those of services that take no other. */
export const notifyFormats = [
  'default',
  'apprise',
  'discord',
  'ntfy',
  'pagerduty',
  'teams',
  'telegram',
] as const;
export type NotifyFormat = (typeof notifyFormats)[number];

/** What a heartbeat may tell besides successes */
export const heartbeatSignals = ['start', 'fail'] as const;
export type HeartbeatSignal = (typeof heartbeatSignals)[number];
