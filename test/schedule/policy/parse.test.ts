import { describe, expect, test } from 'vitest';
import { parsePolicy } from '../../../src/schedule/policy/parse.ts';
import { refusalOf, smallPolicy } from '../setting.ts';
import { makePolicySchema, renderSchema } from './json-schema.ts';

const parse = (text: string) => parsePolicy(text, 'policy.yml');
const messageOf = async (text: string) => (await refusalOf(() => parse(text))).message;

describe('a policy', () => {
  test('needs an action, a database, its secret and its storage', () => {
    const { policy, actionVersion } = parse(smallPolicy);
    expect(actionVersion).toBe('v1.2.3');
    expect(policy.databases.production).toEqual({
      'database-url': 'DATABASE_URL',
      storage: 's3://octo-backups/production',
    });
  });

  test('may pin the action without a comment', () => {
    expect(parse(smallPolicy.replace(' # v1.2.3', '')).actionVersion).toBe('');
  });

  test('has a JSON Schema for editors', async () => {
    await expect(`${renderSchema(makePolicySchema())}\n`).toMatchFileSnapshot(
      '../../../schema/policy.schema.json',
    );
  });
});

describe('a wrong policy is refused', () => {
  test.each([
    ['an unknown key', 'timezone: UTC', '7:1: timezone: is an unknown key. Did you mean time-zone?'],
    [
      'an unknown key that is like no other',
      'drill: { colour: red }',
      '7:10: drill.colour: is an unknown key. Valid keys here: backup-id, fallback, rto-target, checks, image.',
    ],
    [
      'an image of somebody else',
      'drill: { image: ghcr.io/me/postgres:17 }',
      '7:17: drill.image: is not an image of postgres or of supabase/postgres. Write it as in supabase/postgres:17.6.1.054',
    ],
    [
      'an unknown kind of job',
      'schedules: { ful: true }',
      '7:14: schedules.ful: is an unknown key. Did you mean full?',
    ],
    [
      'an unknown key of a job',
      "schedules:\n  archive:\n    labl: x\n    cron: 'auto 2 * * *'",
      '9:5: schedules.archive.labl: is an unknown key. Did you mean label?',
    ],
    [
      'a number where a text is wanted',
      'alarms: { rpo-target: 26 }',
      '7:23: alarms.rpo-target: is the number 26, and a text is wanted. Write it with its unit, as in 26h',
    ],
    [
      'a boolean of YAML 1.1',
      'schedules: { full: yes }',
      '7:20: schedules.full: is the text yes. Write true',
    ],
    [
      'a wrong cron expression in a list',
      "schedules: { full: ['auto 2 * * *', '5 25 * * *'] }",
      '7:37: schedules.full.1: cannot have "25" as its hour. Write numbers from 0 to 23, with * , - and / only',
    ],
    [
      'a wrong cron expression in a job with settings',
      "schedules: { archive: { cron: 'auto/7 2 * * *' } }",
      '7:31: schedules.archive.cron: cannot have "auto/7" as its minute. Write auto, or auto/<minutes> with 5, 6, 10, 12, 15, 20, 30',
    ],
    [
      'a schedule that is no schedule',
      'schedules: { full: 7 }',
      '7:20: schedules.full: is not true or false, a text, a list or keys and values. Write one of them',
    ],
    [
      'a setting that captures do not have',
      'schedules: { capture: { unlimited: true } }',
      '7:25: schedules.capture.unlimited: is an unknown key. Did you mean unlimited-wal?',
    ],
    [
      'no interval for which changes are kept',
      'keep-changes: for ever',
      '7:15: keep-changes: cannot be "for ever". Write hours, days or weeks, such as 36h, 7d or 2w',
    ],
    [
      'a number out of range',
      'drill: { fallback: 101 }',
      '7:20: drill.fallback: is above 100. Write 100 or less',
    ],
    [
      'a time zone that there is not',
      'time-zone: Mars/Olympus',
      '7:12: time-zone: is not a time zone: "Mars/Olympus". Write a name from the IANA time zone database, such as Europe/Berlin, or UTC',
    ],
    [
      'an expression, which GitHub would evaluate',
      'runs-on: ${' + '{ secrets.X }}',
      '7:10: runs-on: holds an expression (${' + '{). Write the value itself',
    ],
    [
      'a machine that is to be changed in a way that there is not',
      'install-client: yes',
      '7:17: install-client: cannot be "yes". Write auto, always or never',
    ],
    [
      'a mail server that sends to nobody',
      'alarms: { smtp-url: SMTP_URL, mail-from: a@example.com }',
      '7:21: alarms.smtp-url: needs mail-to beside it. Write the address',
    ],
    [
      'mail that comes from nobody',
      'alarms: { mail-to: ops@example.com }',
      '7:20: alarms.mail-to: needs mail-from beside it. Write the address',
    ],
    [
      'an address of nobody',
      'alarms: { mail-from: a@example.com, mail-to: [ops@example.com, ops] }',
      '7:64: alarms.mail-to.1: cannot contain "ops": that is not a mail address. Write addresses as in ops@example.com, separated by commas',
    ],
    [
      'a form that there is not',
      'alarms: { notify-format: irc }',
      '7:26: alarms.notify-format: cannot be "irc". Write default, apprise, discord, ntfy, pagerduty, teams or telegram',
    ],
    ['an empty text', "runs-on: ''", '7:10: runs-on: is empty. Leave the key out instead'],
  ])('with %s', async (_, line, message) => {
    expect(await messageOf(`${smallPolicy}${line}\n`)).toBe(`policy.yml:${message.replace(/\.$/, '')}`);
  });

  test.each([
    ['v1', 'a tag, which can be moved'],
    ['0123456', 'a short hash'],
  ])('with an action at %s, %s', async (ref) => {
    const text = smallPolicy.replace('0123456789abcdef0123456789abcdef01234567', ref);
    expect(await messageOf(text)).toContain('policy.yml:1:9: action: is not OWNER/REPO@COMMIT');
  });

  test('without what is required, at the place where it is missing', async () => {
    const text = smallPolicy.replace('    database-url: DATABASE_URL\n', '');
    expect(await messageOf(text)).toBe(
      'policy.yml:5:5: databases.production.database-url: is required. Write it; docs/schedule.md says what it holds',
    );
    expect(await messageOf('')).toBe('policy.yml:1:1: the policy: has no value. Write keys and values');
  });

  test('with a connection string in place of the name of a secret, which is not repeated', async () => {
    const message = await messageOf(smallPolicy.replace('DATABASE_URL', 'postgresql://u:hunter2@h/d'));
    expect(message).toContain(
      'policy.yml:5:19: databases.production.database-url: holds an address with a password. Put it into a secret',
    );
    expect(message).not.toContain('hunter2');
  });

  test('with a folder as the storage of a hosted runner, but not of one of its own', async () => {
    const text = smallPolicy.replace('s3://octo-backups/production', '/srv/backups');
    expect(await messageOf(text)).toContain(
      '6:14: databases.production.storage: is a folder, and the disk of',
    );
    expect(parse(`${text}runs-on: backup-host\n`).policy['runs-on']).toBe('backup-host');
  });

  test('with one storage for two databases', async () => {
    const second = '  staging:\n    database-url: OTHER\n    storage: s3://octo-backups/production/\n';
    expect(await messageOf(smallPolicy + second)).toContain(
      '9:14: databases.staging.storage: is that of production, and a repository holds one database',
    );
  });

  test('with drills of encrypted backups that they cannot open', async () => {
    const recipient = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
    const text = `${smallPolicy}    encryption-recipients: ${recipient}\n`;
    expect(await messageOf(text)).toContain(
      '7:28: databases.production.encryption-recipients: encrypts backups that',
    );
    expect(parse(`${text}    encryption-identity: IDENTITY\n`).actionVersion).toBe('v1.2.3');
    expect(parse(`${text}schedules: { drill: false }\n`).actionVersion).toBe('v1.2.3');
  });

  test('with what is no project, and with the token for none', async () => {
    expect(await messageOf(`${smallPolicy}    project-ref: Shop\n`)).toBe(
      'policy.yml:7:18: databases.production.project-ref: is not the name of a project. Write the twenty lower-case letters in the URL of its dashboard',
    );
    const token = '    supabase-access-token: PROJECT_TOKEN\n';
    expect(await messageOf(smallPolicy + token)).toContain(
      '7:28: databases.production.supabase-access-token: names the token for a project, and there is none',
    );
    const project = '    project-ref: abcdefghijklmnopqrst\n';
    expect(parse(smallPolicy + project + token).actionVersion).toBe('v1.2.3');
    expect(await messageOf(`${smallPolicy}${project}    supabase-access-token: sbp_x\n`)).toContain(
      'is not the name of a secret',
    );
  });

  test('with a mirror that has no copies, and copies of an artifact', async () => {
    const mirror = `${smallPolicy}    schedules: { mirror: true }\n`;
    expect(await messageOf(mirror)).toContain(
      'databases.production.schedules: has a mirror, and nothing says where the copies are',
    );
    expect(parse(`${mirror}    copies: COPIES\n`).actionVersion).toBe('v1.2.3');
    expect(parse(`${mirror}    environment: production\n`).actionVersion).toBe('v1.2.3');
    const artifact = smallPolicy.replace(/storage: .*/, 'storage: artifact://backups');
    expect(await messageOf(`${artifact}    copies: COPIES\n`)).toContain(
      'databases.production.copies: stands beside an artifact, of which there are no copies',
    );
  });

  test('with captures upon which no backup ever follows', async () => {
    const off = 'full: false, incremental: false, archive: false';
    const common = `${smallPolicy}schedules: { capture: true, ${off} }\n`;
    expect(await messageOf(common)).toContain(
      'databases.production.schedules: captures changes and takes no',
    );
    const own = `${smallPolicy}    schedules: { capture: true, ${off} }\n`;
    expect(await messageOf(own)).toContain(
      'policy.yml:7:16: databases.production.schedules: captures changes and takes no backups',
    );
    expect(parse(own.replace('archive: false', 'archive: true')).actionVersion).toBe('v1.2.3');
    expect(parse(own.replace('capture: true', 'capture: false')).actionVersion).toBe('v1.2.3');
  });

  describe('with a role of AWS', () => {
    const role = 'arn:aws:iam::123456789012:role/backup';
    const region = '    s3-region: eu-central-1\n';
    const rolePolicy = `${smallPolicy}${region}    aws-role: ${role}\n`;
    const at = (place: string) => `policy.yml:${place}`;

    test.each([
      role,
      'arn:aws:iam::123456789012:role/ops/database+backup=1,a.b@c-d',
      'arn:aws-cn:iam::123456789012:role/backup',
      'arn:aws-us-gov:iam::123456789012:role/backup',
    ])('but not %s', (given) => {
      const { databases } = parse(rolePolicy.replace(role, given)).policy;
      expect(databases.production?.['aws-role']).toBe(given);
    });

    test.each([
      'database-backup',
      'arn:aws:iam::12345678901:role/backup',
      'arn:aws:iam::123456789012:user/backup',
      'arn:aws:iam::123456789012:role/',
      'arn:aws:iam::123456789012:role/ops/',
      'arn:aws:sts::123456789012:assumed-role/backup/run',
      'arn:aws-iso:iam::123456789012:role/backup',
      'arn:aws:iam::123456789012:role/two words',
      'AWS_ROLE',
    ])('that is none: %s', async (given) => {
      expect(await messageOf(rolePolicy.replace(role, given))).toBe(
        at(
          '8:15: databases.production.aws-role: is not the ARN of a role. Write it as in arn:aws:iam::123456789012:role/database-backup',
        ),
      );
    });

    test.each([
      ['a folder', 's3://octo-backups/production', '/srv/backups'],
      ['an artifact', 's3://octo-backups/production', 'artifact://production'],
      [
        'of a service that looks like it',
        region,
        `${region}    s3-endpoint: https://amazonaws.com.example.net\n`,
      ],
      [
        'of one with its name in the path',
        region,
        `${region}    s3-endpoint: https://example.net/s3.amazonaws.com\n`,
      ],
    ])('whose storage is %s', async (_, from, to) => {
      const text = `${rolePolicy.replace(from, to)}runs-on: backup-host\n`;
      expect(await messageOf(text)).toMatch(
        /^policy\.yml:\d:15: databases\.production\.aws-role: is a role of AWS, and only a storage at Amazon takes one\. Leave/,
      );
    });

    test('without the region in which it is taken', async () => {
      const missing =
        'databases.production.s3-region: must name the region of AWS in which the role is taken. Write it, such as eu-central-1';
      expect(await messageOf(rolePolicy.replace(region, ''))).toBe(at(`5:5: ${missing}`));
      expect(await messageOf(rolePolicy.replace('eu-central-1', 'auto'))).toBe(at(`7:16: ${missing}`));
      const cleanup = `${smallPolicy}cleanup: { aws-role: ${role} }\n`;
      expect(await messageOf(cleanup)).toBe(at(`5:5: ${missing}`));
      expect(parse(`${cleanup}schedules: { cleanup: false }\n`).actionVersion).toBe('v1.2.3');
    });

    test('beside keys', async () => {
      for (const name of ['aws-access-key-id', 'aws-secret-access-key']) {
        expect(await messageOf(`${rolePolicy}    ${name}: KEY\n`)).toContain(
          at('8:15: databases.production.aws-role: stands beside the name of a key, and a job has either'),
        );
        expect(await messageOf(`${rolePolicy}cleanup: { ${name}: KEY, aws-role: ${role} }\n`)).toContain(
          'cleanup.aws-role: stands beside the name of a key',
        );
      }
      expect(parse(`${rolePolicy}cleanup: { aws-access-key-id: KEY }\n`).actionVersion).toBe('v1.2.3');
    });

    test('of cleanup that no storage takes', async () => {
      const text = smallPolicy.replace('s3://octo-backups/production', '/srv/backups');
      expect(await messageOf(`${text}runs-on: backup-host\ncleanup: { aws-role: ${role} }\n`)).toBe(
        at('8:22: cleanup.aws-role: is a role of AWS, and no database has its storage there. Leave it out'),
      );
    });

    test('for a time that AWS does not allow, or that is the time of none', async () => {
      const secondsOf = (seconds: string) => `${rolePolicy}    aws-role-seconds: ${seconds}\n`;
      expect(parse(secondsOf('900')).policy.databases.production?.['aws-role-seconds']).toBe(900);
      expect(await messageOf(secondsOf('899'))).toContain('production.aws-role-seconds: is below 900');
      expect(await messageOf(secondsOf('43201'))).toContain('production.aws-role-seconds: is above 43200');
      expect(await messageOf(secondsOf('1h'))).toContain('production.aws-role-seconds: is not a number');
      expect(await messageOf(`${smallPolicy}    aws-role-seconds: 900\n`)).toBe(
        at(
          '7:23: databases.production.aws-role-seconds: says for how long a role is taken, and there is none. Name it in aws-role',
        ),
      );
      expect(await messageOf(`${smallPolicy}cleanup: { aws-role-seconds: 900 }\n`)).toContain(
        'cleanup.aws-role-seconds: says for how long',
      );
    });
  });

  test('with all its mistakes at once, in the order of the file', async () => {
    const message = await messageOf(`${smallPolicy}time-zone: X\nretention: dayly=4\nalarm: {}\n`);
    expect(message.split('\n').map((line) => /^(?:- )?([^ ]+)/.exec(line)?.[1])).toEqual([
      '3',
      'policy.yml:7:12:',
      'policy.yml:8:12:',
      'policy.yml:9:1:',
    ]);
  });

  test('when it is no YAML', async () => {
    expect(await messageOf('databases: [1\nx: 2\n')).toMatch(/policy\.yml:2:1: is no YAML: Flow sequence/);
    expect(await messageOf(`${smallPolicy}drill: *nowhere\n`)).toMatch(
      /is no YAML: Nothing has the name behind this \*/,
    );
    for (const lines of ['schedules: !!omap [full: false]', 'schedules: !!set { full }', 'time-zone: !a UTC'])
      expect(await messageOf(`${smallPolicy}${lines}\n`)).toMatch(
        /^policy\.yml:7:\d+: is no YAML: Nothing here is a tag or __proto__/,
      );
    expect(
      await messageOf(`${smallPolicy}  __proto__: { database-url: OTHER, storage: s3://octo-backups/x }\n`),
    ).toContain('policy.yml:7:3: is no YAML: Nothing here is a tag or __proto__');
    expect(parse(`${smallPolicy}time-zone: !!str UTC\n`).policy['time-zone']).toBe('UTC');
    expect(await messageOf('action: &here [*here]\n')).toContain('policy.yml:1:15: action: is not a text');
  });
});
