import { Document, isScalar } from 'yaml';
import { toolVersion } from '../../runtime/version.ts';
import type { Answers } from './answers.ts';

/** The secret with the key that opens backups */
export const identitySecret = 'BACKUP_IDENTITY';

/** Renders the policy: what was answered, and no key that says what holds without it. */
export function renderPolicy(answers: Answers, recipients: readonly string[]): string {
  const { action, repository, isRepositoryKnown, storage } = answers;
  const isFolder = !/^(s3|artifact):/i.test(storage);
  const document = new Document({
    action,
    ...(isRepositoryKnown ? {} : { repository }),
    ...(isFolder ? { 'runs-on': 'self-hosted' } : {}),
    databases: Object.fromEntries(
      answers.databases.map((name) => [name, toDatabase(name, answers, recipients)]),
    ),
    ...(isArtifact(storage) ? { schedules: { incremental: false, archive: false } } : {}),
    alarms: toAlarms(answers),
  });
  document.commentBefore = [
    ` yaml-language-server: $schema=${schemaOf(action)}`,
    ' Made by `supabase-backup init`, and yours to edit: docs/schedule.md has every key. `supabase-backup schedule` makes the workflows from it.',
    ' What is in capitals is the name of a secret of the repository, never the secret.',
  ].join('\n');
  const pin = document.get('action', true);
  if (isScalar(pin) && /^\d/.test(toolVersion) && !toolVersion.endsWith('source'))
    pin.comment = ` v${toolVersion}`;
  return document.toString({ lineWidth: 0 });
}

function toDatabase(name: string, answers: Answers, recipients: readonly string[]): object {
  const { s3Endpoint, s3Region } = answers;
  const place = placeOf(name, answers);
  return {
    'database-url': databaseSecret(name, answers),
    storage: place,
    ...(s3Endpoint === undefined ? {} : { 's3-endpoint': s3Endpoint }),
    ...(s3Region === undefined ? {} : { 's3-region': s3Region }),
    ...(isArtifact(place) ? { 'artifact-retention-days': artifactDays } : {}),
    ...(answers.projectRef === undefined || answers.databases.length > 1
      ? {}
      : { 'project-ref': answers.projectRef }),
    'encryption-recipients': recipients.length === 1 ? recipients[0] : recipients,
    'encryption-identity': identitySecret,
  };
}

/** Days that an artifact is kept: each run that writes stores the whole repository again. */
export const artifactDays = 7;

export function isArtifact(storage: string): boolean {
  return /^artifact:/i.test(storage);
}

/** Where the backups of one database are kept: a repository holds one, and does not fill a whole bucket. */
export function placeOf(
  name: string,
  { databases, storage }: Pick<Answers, 'databases' | 'storage'>,
): string {
  const isBucket = /^s3:\/\/[^/]+\/*$/i.test(storage);
  if (databases.length === 1 && !isBucket) return storage;
  if (isArtifact(storage)) return `${storage}-${name}`;
  return `${storage.replace(/\/+$/, '')}/${name}`;
}

/** The secret with the connection string of a database */
export function databaseSecret(name: string, { databases }: Pick<Answers, 'databases'>): string {
  return databases.length === 1 ? 'DATABASE_URL' : `DATABASE_URL_${name.toUpperCase().replaceAll('-', '_')}`;
}

function toAlarms({ notify, mailFrom, mailTo }: Answers): object {
  return {
    issues: notify.includes('issues'),
    ...(notify.includes('webhook') ? { 'notify-url': 'NOTIFY_URL' } : {}),
    ...(notify.includes('slack') ? { 'slack-webhook-url': 'SLACK_WEBHOOK_URL' } : {}),
    ...(notify.includes('mail') ? { 'smtp-url': 'SMTP_URL', 'mail-from': mailFrom, 'mail-to': mailTo } : {}),
    ...(notify.includes('heartbeat') ? { 'heartbeat-url': 'HEARTBEAT_URL' } : {}),
    'rpo-target': '26h',
  };
}

function schemaOf(action: string): string {
  return `https://raw.githubusercontent.com/${action.replace('@', '/')}/schema/policy.schema.json`;
}
