import type { SchedulePlan } from '../../schedule/plan/plan.ts';
import { listDue } from '../../schedule/plan/week.ts';
import { day } from '../../values/duration.ts';
import type { Answers } from './answers.ts';
import { artifactDays, databaseSecret, identitySecret, isArtifact } from './policy-text.ts';
import type { ArtifactUse, SecretToSet } from './result.ts';

/** @param keyFile of the key that was made; undefined: the user has one */
export function listSecretsToSet(answers: Answers, keyFile: string | undefined): SecretToSet[] {
  const { databases, projectRef, storage, notify } = answers;
  const channel = (name: string, channel: 'webhook' | 'slack' | 'mail' | 'heartbeat'): SecretToSet[] =>
    notify.includes(channel) ? [{ name, purpose: { kind: 'channel', channel } }] : [];
  return [
    ...databases.map(
      (database): SecretToSet => ({
        name: databaseSecret(database, answers),
        purpose: { kind: 'database', database, projectRef },
      }),
    ),
    { name: identitySecret, purpose: { kind: 'identity', file: keyFile } },
    ...(/^s3:/i.test(storage)
      ? ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'].map(
          (name): SecretToSet => ({ name, purpose: { kind: 'storage' } }),
        )
      : []),
    ...channel('NOTIFY_URL', 'webhook'),
    ...channel('SLACK_WEBHOOK_URL', 'slack'),
    ...channel('SMTP_URL', 'mail'),
    ...channel('HEARTBEAT_URL', 'heartbeat'),
  ];
}

/** Counts the artifacts that are kept at once: each run that writes stores the repository as a whole. */
export function countArtifacts(plan: SchedulePlan, storage: string, now: Date): ArtifactUse | undefined {
  if (!isArtifact(storage)) return undefined;
  const writing = plan.databases.flatMap(({ jobs }) =>
    jobs.filter(({ kind }) => kind !== 'watch' && kind !== 'digest'),
  );
  // From the second of a month, which has the most: drills are due then.
  const from = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1));
  const until = new Date(from.getTime() + artifactDays * day);
  return { kept: listDue(writing, plan.timeZone, from, until).length, days: artifactDays };
}
