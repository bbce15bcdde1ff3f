import type { Input } from '../input.ts';
import { parseMailServer, parseRecipientsOfMail, parseSender } from '../mail-values.ts';
import { parseNeeds } from '../needed-jobs.ts';
import { announced, channelling, notifyFormats, operations } from '../operations.ts';
import { parseDuration } from '../time-values.ts';
import { listOf, matching, oneOf, parseBoolean, parseSignals, parseWebhook } from '../values.ts';

/** Who is notified of the end of an operation, and how. */
export const alarmInputs = {
  'alarm-of': {
    group: 'github',
    operations: ['alarm'],
    required: true,
    placeholder: 'operation',
    example: 'drill',
    description: 'The operation whose alarm is raised: its next success ends it.',
    parse: oneOf(announced),
  },
  needs: {
    group: 'github',
    operations: ['alarm'],
    required: true,
    placeholder: 'json',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub's
    example: '${{ toJSON(needs) }}',
    description:
      'What GitHub knows of the jobs before, as `toJSON(needs)` writes it. One that did not succeed, and does not say in an output ' +
      '`announced` that its alarm is raised already, raises it.',
    parse: parseNeeds,
  },
  'github-token': {
    group: 'github',
    operations,
    secret: true,
    placeholder: 'token',
    description:
      'The token of the workflow. `schedule`, and `status` with a `policy`, look with it whether workflows are enabled and ran (`actions: read`, and `actions: write` to enable ' +
      'one); failure issues need `issues: write`; an `artifact://` storage of another run needs `actions: read`.',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub's
    parse: matching(/^\S{1,4000}$/, 'is not a token', 'Write `${{ github.token }}`.'),
  },
  database: {
    group: 'report',
    operations: [...channelling, 'report', 'estimate', 'keygen'],
    placeholder: 'name',
    description:
      'What the database is called in issues, messages and reports, and in the `policy` that `status`, `doctor` and `estimate` read. When empty, the storage stands for it.',
    parse: matching(/^\P{Cc}{1,100}$/u, 'is not one line of at most 100 characters', 'Shorten it.'),
  },
  'failure-issues': {
    group: 'github',
    operations: channelling,
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether a failure opens an issue in the repository of the workflow, which the next success closes. Needs `issues: write`. docs/alarms.md.',
    parse: parseBoolean,
  },
  'issue-labels': {
    group: 'github',
    operations: channelling,
    default: 'backup-failure',
    placeholder: 'labels',
    description: 'Labels of such issues besides `supabase-backup`, separated by commas.',
    parse: listOf(/^\P{Cc}{1,50}$/u, 'a label has at most 50 characters', 'Shorten it.'),
  },
  'issue-assignees': {
    group: 'github',
    operations: channelling,
    placeholder: 'users',
    description: 'Who is assigned to such issues: names of users, separated by commas.',
    parse: listOf(
      /^@?[A-Za-z0-9-]{1,39}$/,
      'that is no name of a user',
      'Write names as in `mona`, separated by commas.',
    ),
  },
  'issue-mentions': {
    group: 'github',
    operations: channelling,
    placeholder: 'names',
    description: 'Who is mentioned in such issues: users and teams, separated by commas.',
    parse: listOf(
      /^@?[A-Za-z0-9-]{1,39}(\/[\w.-]{1,100})?$/,
      'that is no name of a user or a team',
      'Write names as in `mona` or `acme/on-call`, separated by commas.',
    ),
  },
  'notify-url': {
    group: 'alarm',
    operations: channelling,
    secret: true,
    placeholder: 'url',
    description:
      'A webhook that gets failures, and the recovery from them, as JSON. docs/alarms.md has its fields.',
    parse: parseWebhook,
  },
  'notify-format': {
    group: 'alarm',
    operations: channelling,
    default: 'default',
    placeholder: 'form',
    description:
      'In which form `notify-url` gets it: `default`, which has a `title` and a `text` beside all fields, or as a service wants it: `apprise`, ' +
      '`discord`, `ntfy`, `pagerduty`, `teams`, `telegram`.',
    parse: oneOf(notifyFormats),
  },
  'slack-webhook-url': {
    group: 'alarm',
    operations: channelling,
    secret: true,
    placeholder: 'url',
    description: 'An incoming webhook of Slack that gets failures, and the recovery from them.',
    parse: parseWebhook,
  },
  'smtp-url': {
    group: 'alarm',
    operations: channelling,
    secret: true,
    placeholder: 'url',
    description:
      'A mail server that sends failures, and the recovery from them, to `mail-to`: `smtps://user:password@host:465`, or `smtp://…:587` for one that ' +
      'begins TLS when asked to. Nothing is sent without TLS.',
    parse: parseMailServer,
  },
  'mail-from': {
    group: 'alarm',
    operations: [...channelling, 'init'],
    placeholder: 'address',
    description: 'Whom mail comes from, such as `Backups <backups@example.com>`. Required with `mail-to`.',
    parse: parseSender,
  },
  'mail-to': {
    group: 'alarm',
    operations: [...channelling, 'init'],
    placeholder: 'addresses',
    description: 'Who gets mail: addresses, separated by commas. Without it no mail is sent.',
    parse: parseRecipientsOfMail,
  },
  'heartbeat-url': {
    group: 'alarm',
    operations: channelling,
    secret: true,
    placeholder: 'url',
    description:
      'Called after each success, for a service that raises the alarm when the calls stop: the only one that notices that nothing runs any more.',
    parse: parseWebhook,
  },
  'heartbeat-signals': {
    group: 'alarm',
    operations: channelling,
    placeholder: 'signals',
    description:
      'What `heartbeat-url` is told besides successes: `start`, `fail` or both separated by a comma, as healthchecks.io and Uptime Kuma understand it.',
    parse: parseSignals,
  },
  'rpo-target': {
    group: 'alarm',
    operations: channelling,
    placeholder: 'duration',
    description:
      'How much work may be lost at most, such as `24h`: failure issues tell how long until the newest backup is older, and escalate then.',
    parse: parseDuration,
  },
} as const satisfies Record<string, Input>;
