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
    description:
      'The operation that the alarm is about, such as `drill`. The next successful run of that operation ends the alarm.',
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
      'The results of the jobs before this one, as the expression `toJSON(needs)` gives them. A job that did not succeed raises the alarm, ' +
      'unless its output `announced` says that it has already raised it.',
    parse: parseNeeds,
  },
  'github-token': {
    group: 'github',
    operations,
    secret: true,
    placeholder: 'token',
    description:
      'A GitHub token, usually `github.token`. Failure issues need the permission `issues: write`. `schedule`, and `status` with a ' +
      '`policy`, need `actions: read` to check that workflows are enabled and have run; `schedule` needs `actions: write` to enable a ' +
      'disabled workflow. `artifact://` storage needs `actions: read` to download the artifact of an earlier run.',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub's
    parse: matching(/^\S{1,4000}$/, 'is not a token', 'Write `${{ github.token }}`.'),
  },
  database: {
    group: 'report',
    operations: [...channelling, 'report', 'estimate', 'keygen'],
    placeholder: 'name',
    description:
      'The name of the database in issues, messages and reports. With a `policy`, it selects the database of that name in the policy. When ' +
      'empty, messages show the storage instead.',
    parse: matching(/^\P{Cc}{1,100}$/u, 'is not one line of at most 100 characters', 'Shorten it.'),
  },
  'failure-issues': {
    group: 'github',
    operations: channelling,
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether a failure opens an issue in the repository of the workflow. The next success closes the issue. Needs a `github-token` with ' +
      '`issues: write`. See docs/alarms.md.',
    parse: parseBoolean,
  },
  'issue-labels': {
    group: 'github',
    operations: channelling,
    default: 'backup-failure',
    placeholder: 'labels',
    description:
      'Labels for failure issues in addition to `supabase-backup`, separated by commas, such as `backup-failure, on-call`.',
    parse: listOf(/^\P{Cc}{1,50}$/u, 'a label has at most 50 characters', 'Shorten it.'),
  },
  'issue-assignees': {
    group: 'github',
    operations: channelling,
    placeholder: 'users',
    description: 'GitHub users to assign to failure issues, separated by commas, such as `mona, hubot`.',
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
    description:
      'GitHub users and teams to mention in failure issues, separated by commas, such as `mona, acme/on-call`.',
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
      'The URL of a webhook that receives failures and recoveries as JSON, such as `https://example.com/alarms`. See docs/alarms.md for ' +
      'the fields.',
    parse: parseWebhook,
  },
  'notify-format': {
    group: 'alarm',
    operations: channelling,
    default: 'default',
    placeholder: 'form',
    description:
      'The format in which `notify-url` receives messages: `default` has a `title`, a `text` and all fields; `apprise`, `discord`, `ntfy`, ' +
      '`pagerduty`, `teams` and `telegram` are the formats of those services.',
    parse: oneOf(notifyFormats),
  },
  'slack-webhook-url': {
    group: 'alarm',
    operations: channelling,
    secret: true,
    placeholder: 'url',
    description:
      'The URL of a Slack incoming webhook that receives failures and recoveries, such as `https://hooks.slack.com/services/…`.',
    parse: parseWebhook,
  },
  'smtp-url': {
    group: 'alarm',
    operations: channelling,
    secret: true,
    placeholder: 'url',
    description:
      'The mail server that sends failures and recoveries to `mail-to`: `smtps://user:password@host:465` for TLS from the start, or ' +
      '`smtp://user:password@host:587` for STARTTLS. No mail is sent without TLS.',
    parse: parseMailServer,
  },
  'mail-from': {
    group: 'alarm',
    operations: [...channelling, 'init'],
    placeholder: 'address',
    description: 'The sender of the mail, such as `Backups <backups@example.com>`. Required with `mail-to`.',
    parse: parseSender,
  },
  'mail-to': {
    group: 'alarm',
    operations: [...channelling, 'init'],
    placeholder: 'addresses',
    description:
      'The mail addresses that receive failures and recoveries, separated by commas, such as `oncall@example.com`. When empty, no mail is ' +
      'sent.',
    parse: parseRecipientsOfMail,
  },
  'heartbeat-url': {
    group: 'alarm',
    operations: channelling,
    secret: true,
    placeholder: 'url',
    description:
      'A URL to call after each success, such as `https://hc-ping.com/…`. The monitoring service behind it raises an alarm when the calls ' +
      'stop. It is the only alarm that works when no workflow runs any more.',
    parse: parseWebhook,
  },
  'heartbeat-signals': {
    group: 'alarm',
    operations: channelling,
    placeholder: 'signals',
    description:
      'What to report to `heartbeat-url` in addition to successes: `start`, `fail` or `start, fail`, as healthchecks.io and Uptime Kuma ' +
      'understand them.',
    parse: parseSignals,
  },
  'rpo-target': {
    group: 'alarm',
    operations: channelling,
    placeholder: 'duration',
    description:
      'The recovery point objective: how much work you can afford to lose, such as `24h`. Failure issues show how long the newest backup ' +
      'still meets it, and escalate when it no longer does.',
    parse: parseDuration,
  },
} as const satisfies Record<string, Input>;
