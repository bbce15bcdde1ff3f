import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse, parseDocument } from 'yaml';
import type { Answers } from '../../../src/operations/init/answers.ts';
import { renderPolicy } from '../../../src/operations/init/policy-text.ts';
import { policies } from '../policies.ts';
import { nightlyPolicy, smallPolicy } from '../setting.ts';
import { recipient } from './wrong-policies.ts';

const root = path.join(import.meta.dirname, '../../..');
const commit = '0123456789abcdef0123456789abcdef01234567';

/** Puts into the place of placeholders what a reader would. */
function fill(text: string): string {
  return text.replaceAll('COMMIT_SHA', commit).replaceAll('age1…', recipient);
}

/** Policies and parts of them in the pages, each completed to a policy where keys are left out that all need */
function listPages(): [string, string][] {
  const folder = path.join(root, 'docs');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) =>
      [...readFileSync(path.join(folder, file), 'utf8').matchAll(/^ *```ya?ml\n([\s\S]*?)^ *```/gm)].map(
        ([, text = ''], index): [string, string] => [`docs/${file}, ${index + 1}`, fill(text)],
      ),
    )
    .filter(([, text]) => 'databases' in (parse(text) ?? {}))
    .map(([name, text]) => [name, complete(text)]);
}

function complete(text: string): string {
  const document = parseDocument(text);
  const whole = parse(smallPolicy);
  if (!document.has('action')) document.set('action', whole.action);
  for (const [name, written] of Object.entries<object>(document.toJS().databases))
    for (const [key, value] of Object.entries({
      'database-url': 'DATABASE_URL',
      storage: `s3://octo-backups/${name}`,
    }))
      if (!(key in written)) document.setIn(['databases', name, key], value);
  return document.toString();
}

/** What `init` writes */
function writeByInit(storage: string, databases: readonly string[], more: Partial<Answers> = {}): string {
  return renderPolicy(
    {
      ...{ databases, storage, s3Endpoint: undefined, s3Region: undefined, projectRef: undefined },
      ...{ notify: ['issues'], mailFrom: undefined, mailTo: [] },
      ...{
        action: `octo-org/supabase-backup@${commit}`,
        repository: 'octo-org/shop',
        isRepositoryKnown: false,
      },
      ...more,
    },
    [recipient],
  );
}

const example = fill(readFileSync(path.join(root, 'examples/policy/supabase-backup.yml'), 'utf8'));
const switchOn = (line: string) => example.replace(`# ${line}`, line);
const database = (lines: string) => `${smallPolicy}${lines.replace(/^/gm, '    ')}\n`;

export const rightPolicies: Readonly<Record<string, string>> = {
  ...policies,
  nightly: nightlyPolicy,
  example,
  'example with a role': switchOn('aws-role:'),
  'example with a project': switchOn('project-ref:'),
  'example with more captures': switchOn('capture:'),
  ...Object.fromEntries(listPages()),
  'of init for an artifact': writeByInit('artifact://database-backups', ['production', 'staging']),
  'of init for a bucket': writeByInit('s3://my-bucket', ['production']),
  'of init for R2': writeByInit('s3://my-bucket/backups', ['production'], {
    ...{ s3Endpoint: 'https://0123.r2.cloudflarestorage.com', s3Region: 'auto' },
    ...{ projectRef: 'abcdefghijklmnopqrst', isRepositoryKnown: true },
    ...{
      notify: ['mail', 'slack', 'webhook', 'heartbeat'],
      mailFrom: 'a@example.com',
      mailTo: ['b@example.com'],
    },
  }),
  'of init for a folder': writeByInit('/srv/backups', ['production', 'staging']),
  'an artifact': `${smallPolicy.replace('s3://octo-backups/production', 'artifact://backups')}    artifact-retention-days: 7
  staging:
    database-url: STAGING_DATABASE_URL
    storage: s3://octo-backups/staging
schedules: { incremental: false, archive: false }
`,
  'a folder of an own runner': `${smallPolicy.replace('s3://octo-backups/production', '/srv/backups')}runs-on: backup-host\n`,
  'times of all forms': `${smallPolicy}schedules:
  full: { cron: ['5 2 * * *', '35 14 1,15 JAN-JUN *'] }
  schema: 7 3 * * SUN
  archive: { label: the month, pin: false }
  incremental: auto/30 */2 * * mon-fri
  capture: '*/10 8-18/2 * * 1-5'
  watch: 11,41 * * * *
`,
  'retention of all rules': `${smallPolicy}retention: last=3, hourly=0 daily=7 weekly=5 monthly=12 yearly=3 within=36h verified=2\n`,
  'tables with odd names': database(
    `include: '"v1.2"."a,b", public.*, *'\nexclude: |\n  public.log\n  audit.log.2026`,
  ),
  'several recipients on lines': database(
    `encryption-recipients: |\n  ${recipient}\n  ${recipient}\nencryption-identity: IDENTITY`,
  ),
  'drills with the secret of an environment': database(
    `encryption-recipients: ${recipient}\nenvironment: backups`,
  ),
  'a file with checks': database('checks: checks/some.sql'),
  'a bucket that nothing cleans':
    `${smallPolicy.replace('/production', '')}schedules: { cleanup: false }\n`.replace(
      'octo-backups\n',
      'octo-backups\n',
    ),
  'a zone by its older name': `${smallPolicy}time-zone: Asia/Calcutta\n`,
  'endpoints of other services': database(
    's3-endpoint: http://127.0.0.1:9000\ns3-region: auto\ns3-addressing: path',
  ),
  'people and labels': `${smallPolicy}alarms: { labels: [on call, database], assignees: mona, mentions: ['@octo-org/dba', hubot] }\n`,
};
