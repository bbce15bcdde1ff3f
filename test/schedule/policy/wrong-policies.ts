import { smallPolicy } from '../setting.ts';

/*
 * Policies with one mistake each. The program says what is on the right, behind the file and the key; the published
 * JSON Schema refuses all of them but those of `beyondSchema`.
 */

export const recipient = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
/** Of nobody, and of no key pair in use */
export const identity = `AGE-SECRET-KEY-1${'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L'.repeat(2).slice(0, 58)}`;
export const secrets = [identity, 'hunter2', `ghp_${'a1B2'.repeat(9)}`] as const;
const [, password, token] = secrets;

/** The small policy with more keys: of the policy, or of its database */
const top = (lines: string) => `${smallPolicy}${lines}\n`;
const database = (lines: string) => `${smallPolicy}${lines.replace(/^/gm, '    ')}\n`;
const storage = (place: string, more = '') =>
  `${smallPolicy.replace('s3://octo-backups/production', place)}${more}`;
const schedules = (lines: string) => top(`schedules: ${lines}`);
const second = (place: string) => top(`  staging:\n    database-url: OTHER\n    storage: ${place}`);
const without = (line: RegExp) => smallPolicy.replace(line, '');
const role = 'aws-role: arn:aws:iam::123456789012:role/backup';

/** The text, where the mistake is, and what is said of it */
export type WrongPolicy = readonly [text: string, at: string, says: string];

export const wrongPolicies: Readonly<Record<string, WrongPolicy>> = {
  // Kinds of values
  'a list for a policy': ['- action\n', 'the policy', 'is not keys and values'],
  'a number for a time': [top('alarms: { rpo-target: 26 }'), 'alarms.rpo-target', 'as in 26h'],
  'a number for a text': [
    database('environment: 5'),
    'databases.production.environment',
    'Write it in quotes',
  ],
  'a text for a number': [
    top("drill: { fallback: 'two' }"),
    'drill.fallback',
    'is not a number. Write it as such',
  ],
  'half a fallback': [top('drill: { fallback: 1.5 }'), 'drill.fallback', 'is not a whole number. Write one'],
  'too many days': [
    storage('artifact://backups', '    artifact-retention-days: 91\n'),
    'databases.production.artifact-retention-days',
    'is above 90. Write 90 or less',
  ],
  'a list for keys': [top('alarms: []'), 'alarms', 'is not keys and values'],
  'a key without a value': [top('schedules:'), 'schedules', 'has no value. Write keys and values, or leave'],
  'an empty text': [database("checks: ''"), 'databases.production.checks', 'is empty. Leave the key out'],
  'an empty list of recipients': [
    database('encryption-recipients: []'),
    'databases.production.encryption-recipients',
    'is an empty list. Leave the key out',
  ],
  'recipients that are commas alone': [
    database("encryption-recipients: ','"),
    'databases.production.encryption-recipients',
    'is empty. Leave the key out',
  ],
  'yes for true': [schedules('{ full: yes }'), 'schedules.full', 'is the text yes. Write true'],
  'a schedule of a number': [schedules('{ full: 7 }'), 'schedules.full', 'Write one of them'],
  'an empty list of times': [schedules('{ full: [] }'), 'schedules.full', 'is an empty list. Write false'],

  // Keys
  'an unknown key': [top('colour: red'), 'colour', 'is an unknown key. Valid keys here: $schema, action'],
  'a misspelt key': [top('timezone: UTC'), 'timezone', 'is an unknown key. Did you mean time-zone?'],
  'a misspelt key of a database': [
    database('encryption-recipient: age1'),
    'databases.production.encryption-recipient',
    'Did you mean encryption-recipients?',
  ],
  'a misspelt kind of job': [schedules('{ ful: true }'), 'schedules.ful', 'Did you mean full?'],
  'no action': [without(/^action.*\n/), 'the policy.action', 'is required'],
  'no databases': [without(/^databases:[\s\S]*/m), 'the policy.databases', 'is required'],
  'databases without one': [
    smallPolicy.replace(/^databases:[\s\S]*/m, 'databases: {}\n'),
    'databases',
    'names no database. Write at least one',
  ],
  'a database without a storage': [
    without(/ *storage.*\n/),
    'databases.production.storage',
    'is required. Write it',
  ],
  'a name in capitals': [
    smallPolicy.replace('production:', 'Production:'),
    'databases.Production',
    'is no name for a database. Write lower-case letters',
  ],
  'a database called all': [smallPolicy.replace('production:', 'all:'), 'databases.all', '`all` is taken'],

  // Secrets, and names of secrets
  'a connection string': [
    smallPolicy.replace('DATABASE_URL', `postgresql://u:${password}@db.example.com/postgres`),
    'databases.production.database-url',
    'holds an address with a password. Put it into a secret of the repository',
  ],
  'a connection string of keywords': [
    smallPolicy.replace('DATABASE_URL', `host=db.example.com password=${password}`),
    'databases.production.database-url',
    'holds an address with a password',
  ],
  'a name of a secret in small letters': [
    smallPolicy.replace('DATABASE_URL', 'database_url'),
    'databases.production.database-url',
    'is not the name of a secret. Write the name in capitals',
  ],
  'a name that GitHub keeps for itself': [
    database('repository-key: GITHUB_KEY'),
    'databases.production.repository-key',
    'is not the name of a secret',
  ],
  'an identity as the name of its secret': [
    database(`encryption-identity: ${identity}`),
    'databases.production.encryption-identity',
    'holds an age identity, which is the secret half. Write the name of the secret',
  ],
  'an identity as a recipient': [
    database(`encryption-recipients: ${identity}\nencryption-identity: IDENTITY`),
    'databases.production.encryption-recipients',
    'holds an age identity, which is the secret half',
  ],
  'an identity in a list of recipients': [
    database(`encryption-recipients: [${recipient}, ${identity}]\nencryption-identity: IDENTITY`),
    'databases.production.encryption-recipients.1',
    'holds an age identity',
  ],
  'the placeholder of a recipient': [
    database('encryption-recipients: age1…\nencryption-identity: IDENTITY'),
    'databases.production.encryption-recipients',
    'is not an age recipient',
  ],
  'a recipient with a wrong letter': [
    database(`encryption-recipients: ${recipient.replace('ql3z', 'ql3y')}\nencryption-identity: IDENTITY`),
    'databases.production.encryption-recipients',
    'is not an age recipient',
  ],
  'an address of a webhook': [
    top('alarms: { notify-url: http://example.com/hook }'),
    'alarms.notify-url',
    'is not the name of a secret',
  ],
  'a token': [
    database(`project-ref: abcdefghijklmnopqrst\nsupabase-access-token: ${token}`),
    'databases.production.supabase-access-token',
    'holds a token. Put it into a secret',
  ],
  'a password in the place of a time': [
    top(`keep-changes: postgresql://u:${password}@db.example.com/postgres`),
    'keep-changes',
    'holds an address with a password',
  ],
  'a connection string for a key': [
    database(`postgresql://u:${password}@db.example.com/postgres: true`),
    'databases.production.(hidden, because it may be a secret)',
    'is an unknown key',
  ],
  'a private key for a certificate': [
    database(
      'sslrootcert: |\n  -----BEGIN PRIVATE KEY-----\n  MC4CAQAwBQYDK2VwBCIEIA\n  -----END PRIVATE KEY-----',
    ),
    'databases.production.sslrootcert',
    'holds a private key',
  ],
  'what is no certificate': [
    database('sslrootcert: |\n  -----BEGIN CERTIFICATE-----\n  aHVudGVy\n  -----END CERTIFICATE-----'),
    'databases.production.sslrootcert',
    'is not a certificate. Give the CA certificate in PEM form',
  ],
  'an expression': [
    database(`environment: \${${'{ secrets.X }'}}`),
    'databases.production.environment',
    'holds an expression',
  ],

  // Pins, times, and rules
  'an action at a tag': [
    smallPolicy.replace(/@[0-9a-f]{40}/, '@v1'),
    'action',
    'is not OWNER/REPO@COMMIT with a commit of 40 hexadecimal digits. Pin a commit',
  ],
  'an action at a short commit': [smallPolicy.replace(/@[0-9a-f]{40}/, '@0123456'), 'action', 'Pin a commit'],
  'a repository without its owner': [
    smallPolicy.replace('octo-org/shop', 'shop'),
    'repository',
    'is not OWNER/REPO. Write it as in',
  ],
  'a misspelt rule': [
    top('retention: daily=7 weekley=5'),
    'retention',
    'cannot contain "weekley=5". Write rules such as',
  ],
  'a rule said twice': [
    top('retention: daily=7 daily=8'),
    'retention',
    'names daily twice. Write each rule once',
  ],
  'no verified backup kept': [top('retention: daily=7 verified=0'), 'retention', 'Write verified=1 or more'],
  'a time without a unit': [
    top("keep-changes: '8'"),
    'keep-changes',
    'cannot be "8". Write hours, days or weeks',
  ],
  'a time of nothing': [top('alarms: { rpo-target: 0h }'), 'alarms.rpo-target', 'cannot be "0h". Write'],
  'a time in words': [top('drill: { rto-target: an hour }'), 'drill.rto-target', 'Write seconds, minutes'],
  'a time zone that there is not': [
    top('time-zone: Europe/Berln'),
    'time-zone',
    'is not a time zone: "Europe/Berln". Did you mean Europe/Berlin?',
  ],
  'an hour that there is not': [
    schedules('{ full: 5 25 * * * }'),
    'schedules.full',
    'cannot have "25" as its hour. Write numbers from 0 to 23',
  ],
  'six fields': [
    schedules('{ full: 0 5 2 * * * }'),
    'schedules.full',
    'is not a cron expression of five fields',
  ],
  'a word of cron': [
    schedules("{ full: '@daily' }"),
    'schedules.full',
    'is not a cron expression of five fields',
  ],
  'every minute': [
    schedules("{ capture: '* * * * *' }"),
    'schedules.capture',
    'is due more often than GitHub',
  ],
  'a step that is none of auto': [
    schedules('{ capture: auto/7 * * * * }'),
    'schedules.capture',
    'Write auto, or',
  ],
  'a step of a single hour': [
    schedules('{ full: 5 2/4 * * * }'),
    'schedules.full',
    'cannot have "2/4" as its hour. Write a step behind * or a range',
  ],
  'a step longer than the day': [schedules("{ full: '5 */30 * * *' }"), 'schedules.full', 'from 1 to 24'],
  'a range that runs backwards': [
    schedules('{ full: 5 2 * * 5-1 }'),
    'schedules.full',
    'cannot have "5-1" as its day',
  ],
  'minutes too close to each other': [
    schedules("{ capture: '1,3 * * * *' }"),
    'schedules.capture',
    'is due more often than GitHub allows. Leave five minutes',
  ],
  'a day that no month has': [
    schedules('{ full: 5 2 30 2 * }'),
    'schedules.full',
    'is never due, because no month has that day. Choose a day',
  ],

  // Places and tables
  'a storage without a scheme': [
    storage('backups'),
    'databases.production.storage',
    'is neither a folder nor an S3',
  ],
  'a storage of another kind': [
    storage('gs://bucket/x'),
    'databases.production.storage',
    'is neither a folder nor',
  ],
  'a storage with keys': [
    storage('s3://id@bucket/x'),
    'databases.production.storage',
    'must not contain credentials. Set',
  ],
  'an artifact that cannot exist': [
    storage('artifact://a/b'),
    'databases.production.storage',
    'Write artifact://name',
  ],
  'a whole bucket': [
    storage('s3://octo-backups'),
    'databases.production.storage',
    'Write a prefix behind it',
  ],
  'a folder of a hosted runner': [
    storage('/srv/backups'),
    'databases.production.storage',
    'is a folder, and the disk',
  ],
  'captures into an artifact': [
    storage('artifact://backups', 'schedules: { capture: true }\n'),
    'databases.production.storage',
    'is an artifact, which every capture would upload again as a whole. Write capture: false',
  ],
  'captures of its own into an artifact': [
    storage('artifact://backups', '    schedules: { capture: auto * * * * }\n'),
    'databases.production.storage',
    'is an artifact, which every capture would upload again',
  ],
  'a storage for two databases': [
    second('s3://octo-backups/production/'),
    'databases.staging.storage',
    'is that of',
  ],
  'a storage within another': [
    second('s3://octo-backups/production/sub'),
    'databases.staging.storage',
    'lies within that of production',
  ],
  'a storage around another': [
    smallPolicy.replace('octo-backups/production', 'octo-backups/all/production') +
      second('s3://octo-backups/all').slice(smallPolicy.length),
    'databases.staging.storage',
    'encloses that of production',
  ],
  'an endpoint without a scheme': [
    database('s3-endpoint: s3.example.com'),
    'databases.production.s3-endpoint',
    'is not the address of an S3 service. Write it as in',
  ],
  'a way of addressing that there is not': [
    database('s3-addressing: host'),
    'databases.production.s3-addressing',
    'cannot be "host". Write auto, path or virtual',
  ],
  'a class that is not read at once': [
    database('s3-storage-class: GLACIER'),
    'databases.production.s3-storage-class',
    'is GLACIER, whose objects cannot be read immediately',
  ],
  'a table without its schema': [
    database('include: orders'),
    'databases.production.include',
    'Write schema.table',
  ],
  'a column without its schema': [
    database('freshness: orders.created_at'),
    'databases.production.freshness',
    'Write schema.table.column',
  ],
  'a file with checks that is not there': [
    database('checks: checks/none.sql'),
    'databases.production.checks',
    'is neither a SELECT nor a file of this repository. Write one SELECT a line',
  ],
  'a file with checks of drills that is not there': [
    top('drill: { checks: checks/none.sql }'),
    'drill.checks',
    'is neither a SELECT nor a file of this repository',
  ],
  'an image of somebody else': [
    top('drill: { image: ghcr.io/me/postgres:17 }'),
    'drill.image',
    'is not an image of postgres or of supabase/postgres. Write it as in',
  ],
  'a choice of backups that there is not': [
    top('drill: { backup-id: newest }'),
    'drill.backup-id',
    'Write latest',
  ],

  // Keys that cannot work together
  'drills that cannot open the backups': [
    database(`encryption-recipients: ${recipient}`),
    'databases.production.encryption-recipients',
    'encrypts backups that drills cannot open. Name the secret in encryption-identity',
  ],
  'a mirror without copies': [
    database('schedules: { mirror: true }'),
    'databases.production.schedules',
    'has a mirror, and nothing says where the copies are. Name the secret',
  ],
  'copies of an artifact': [
    storage('artifact://backups', '    copies: COPIES\n'),
    'databases.production.copies',
    'stands beside an artifact',
  ],
  'days of an artifact without one': [
    database('artifact-retention-days: 7'),
    'databases.production.artifact-retention-days',
    'is about artifacts, and the storage is none. Leave it out',
  ],
  'a token for no project': [
    database('supabase-access-token: TOKEN'),
    'databases.production.supabase-access-token',
    'names the token for a project, and there is none',
  ],
  'captures without backups': [
    schedules('{ capture: true, full: false, incremental: false, archive: false }'),
    'databases.production.schedules',
    'captures changes and takes no backups',
  ],
  'a heartbeat without a watch': [
    top('schedules: { watch: false }\nalarms: { heartbeat-url: HEARTBEAT }'),
    'alarms.heartbeat-url',
    'is called by the watch, which is switched off',
  ],
  'a heartbeat of its own without a watch': [
    database('heartbeat-url: HEARTBEAT\nschedules: { watch: false }'),
    'databases.production.heartbeat-url',
    'is called by the watch, which is switched off',
  ],
  'mail from nobody': [
    top('alarms: { mail-to: ops@example.com }'),
    'alarms.mail-to',
    'needs mail-from beside it',
  ],
  'a mail server for nobody': [
    top('alarms: { smtp-url: SMTP, mail-from: a@example.com }'),
    'alarms.smtp-url',
    'needs mail-to beside it',
  ],
  'mail to a name': [
    top('alarms: { mail-from: a@example.com, mail-to: ops }'),
    'alarms.mail-to',
    'cannot contain "ops": that is not a mail address. Write addresses',
  ],
  'a role beside a key': [
    database(`s3-region: eu-central-1\n${role}\naws-access-key-id: KEY`),
    'databases.production.aws-role',
    'stands beside the name of a key, and a job has either',
  ],
  'a role of another service': [
    database(`s3-region: auto\n${role}\ns3-endpoint: https://s3.example.com`),
    'databases.production.aws-role',
    'is a role of AWS, and only a storage at Amazon takes one',
  ],
  'a role without its region': [
    database(role),
    'databases.production.s3-region',
    'must name the region of AWS in which the role is taken',
  ],
  'a role of cleanup without its region': [
    top(`cleanup: { ${role} }`),
    'databases.production.s3-region',
    'must name the region of AWS in which the role is taken',
  ],
  'a role of cleanup that nothing takes': [
    storage('artifact://backups', `cleanup: { ${role} }\n`),
    'cleanup.aws-role',
    'is a role of AWS, and no database has its storage there',
  ],
  'a time of no role': [
    top('cleanup: { aws-role-seconds: 900 }'),
    'cleanup.aws-role-seconds',
    'says for how long a role is taken, and there is none',
  ],
};

/** What no JSON Schema can say, and so refuses in no editor */
export const beyondSchema: Readonly<Record<string, readonly string[]>> = {
  'facts between two databases': [
    'a storage for two databases',
    'a storage within another',
    'a storage around another',
  ],
  'files on the disk': [
    'a file with checks that is not there',
    'a file with checks of drills that is not there',
  ],
  'sums and comparisons of numbers within a text': [
    'a range that runs backwards',
    'minutes too close to each other',
    'a day that no month has',
  ],
  'checksums and signatures': ['a recipient with a wrong letter', 'what is no certificate'],
};

/** These are no YAML, and so nothing that a schema could judge. */
export const noYaml: Readonly<Record<string, string>> = {
  'a bracket that is not closed': `${smallPolicy}schedules: { full: true\n`,
  'a key twice': `${smallPolicy}repository: octo-org/shop\n`,
  'a tab': `${smallPolicy}schedules:\n\tfull: true\n`,
  'an alias of nothing': `${smallPolicy}time-zone: *${password}\n`,
  'a text behind quotes': `${smallPolicy}time-zone: ]${password}\n`,
  'an unknown tag': `${smallPolicy}time-zone: !${password}!x UTC\n`,
};
