import { GitHubApi, GitHubFailure } from '../github/api.ts';
import { Issues } from '../github/issues.ts';
import { isRepository, nameRepository } from '../github/run.ts';
import { createRedactor } from '../report/redact.ts';
import type { Context } from '../runtime/context.ts';
import { startTimer } from '../runtime/deadline.ts';
import { ConfigurationError, isKnownError, messageOf } from '../runtime/errors.ts';
import { DeliveryFailure, deliver } from './channels/delivery.ts';
import { renderSlack } from './channels/slack.ts';
import { kindOf, toWebhookContent } from './channels/webhook.ts';
import {
  type AlarmLimits,
  type AlarmSettings,
  defaultLimits,
  type IssueSettings,
  type RunEvent,
  redactEvent,
} from './event.ts';
import { type IssueChange, recordFailure, recordSuccess } from './issues/lifecycle.ts';
import { fingerprintOf, groupDigest, orderOf } from './issues/state.ts';

type AlarmContext = Pick<Context, 'env' | 'log' | 'now' | 'signal'>;

/** The event and the means of one notification */
interface Notification {
  /** The event before redaction, for digests only: its texts do not leave this machine. */
  readonly raw: RunEvent;
  /** The event without secrets */
  readonly event: RunEvent;
  readonly settings: AlarmSettings;
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => Date;
  readonly limits: AlarmLimits;
  readonly signal: AbortSignal;
  redact(text: string): string;
  warn(message: string): void;
}

/**
 * Notifies people of how an operation ended: by an issue that opens and closes itself, a webhook, Slack and a
 * heartbeat. Never throws, and takes `limits.totalMs` at most. A notification that fails is a warning,
 * because it must not change the outcome of the operation.
 */
export async function notify(
  raw: RunEvent,
  settings: AlarmSettings,
  context: AlarmContext,
  limits: AlarmLimits = defaultLimits,
): Promise<void> {
  try {
    const redact = redactWith(settings);
    const warn = (message: string) => context.log.warn(`alarm: ${redact(message)}`);
    using timer = startTimer(limits.totalMs, context.signal, limits.afterStopMs);
    const event = redactEvent(raw, redact);
    const { env } = context;
    const now = () => context.now();
    const notification = { raw, event, settings, env, now, limits, signal: timer.signal, redact, warn };
    await Promise.all([sendHeartbeat(notification), sendAlarm(notification)]);
  } catch (error) {
    // Each channel catches its own errors. Any other error is a defect, perhaps of the redactor, so its
    // message may hold secrets and is not shown.
    const kind = error instanceof Error ? error.name : typeof error;
    context.log.warn(`alarm: not everything was announced, because of a defect (${kind}). Report it.`);
  }
}

/** Sends the heartbeat to a dead man's switch, which raises an alarm when the heartbeat stays away. */
async function sendHeartbeat(notification: Notification): Promise<void> {
  const { event, settings, env } = notification;
  const url = settings.heartbeatUrl;
  if (!url || event.state !== 'succeeded') return;
  await attempt(notification, 'the heartbeat was not sent', (signal) =>
    deliver({ input: 'heartbeat-url', url, env }, notification.limits, signal),
  );
}

/** Updates the issues, and then sends the other messages: a success is sent only when it closed an issue. */
async function sendAlarm(notification: Notification): Promise<void> {
  const { event, settings, env, limits } = notification;
  const change = await keepIssues(notification);
  const kind = kindOf(event, change);
  if (kind === undefined) return;
  const { notifyUrl, slackWebhookUrl } = settings;
  const send = (input: string, url: string | undefined, content: () => object) =>
    url &&
    attempt(notification, `the message to ${input} was not sent`, (signal) =>
      deliver({ input, url, content: content(), env }, limits, signal),
    );
  await Promise.all([
    send('notify-url', notifyUrl, () => toWebhookContent(event, kind, change)),
    send('slack-webhook-url', slackWebhookUrl, () => renderSlack(event, kind, change)),
  ]);
}

async function keepIssues(notification: Notification): Promise<IssueChange> {
  const { settings, limits, redact } = notification;
  let change: IssueChange = { outcome: 'none' };
  const { issues } = settings;
  if (issues === undefined) return change;
  using timer = startTimer(limits.issuesMs, notification.signal, 0);
  const hurried = { ...notification, signal: timer.signal };
  await attempt(hurried, 'the failure issue was not updated', async () => {
    change = await recordInIssue(hurried, redactSettings(issues, redact));
  });
  const { issue } = change;
  return issue === undefined ? change : { ...change, issue: { ...issue, url: redact(issue.url) } };
}

function recordInIssue(notification: Notification, settings: IssueSettings): Promise<IssueChange> {
  const { raw, event, warn } = notification;
  const issues = openIssues(notification, settings);
  const shared = { group: groupDigest(raw), order: orderOf(raw), issues, settings, warn };
  if (event.state === 'succeeded') return recordSuccess({ ...shared, event });
  return recordFailure({ ...shared, event, fingerprint: fingerprintOf(raw, event.failureClass) });
}

/** @throws ConfigurationError when the token or the repository is missing */
function openIssues({ raw, env, now, limits, signal }: Notification, { token }: IssueSettings): Issues {
  const repository = raw.run?.repository ?? nameRepository(env) ?? '';
  if (token === '') {
    throw new ConfigurationError('there is no github-token', 'Set github-token, or failure-issues to false.');
  }
  if (!isRepository(repository)) {
    throw new ConfigurationError(
      'it is not known in which repository issues are kept',
      'Set the environment variable GITHUB_REPOSITORY to owner/name, or failure-issues to false.',
    );
  }
  const api = new GitHubApi({
    ...{ token, env, now, signal },
    timeoutMs: limits.requestMs,
    delayMs: limits.delayMs,
  });
  return new Issues(api, repository);
}

/** Runs one of several actions; its failure becomes a warning and does not stop the others. */
async function attempt(
  { signal, warn }: Notification,
  failed: string,
  body: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  try {
    await body(signal);
  } catch (error) {
    warn(`${failed}: ${explain(error)}`);
  }
}

function explain(error: unknown): string {
  if (error instanceof GitHubFailure) return `${error.message}. ${adviseOn(error)}`;
  if (error instanceof DeliveryFailure || isKnownError(error)) return `${error.message}. ${error.next}`;
  return messageOf(error);
}

function adviseOn({ status, rateLimited, advice }: GitHubFailure): string {
  if (rateLimited) return "GitHub's rate limit is reached: the next run updates the issue.";
  switch (status) {
    case 401:
      return 'Check github-token: it is wrong or has expired.';
    case 403:
    case 404:
      return (
        'The token may not write issues: add "issues: write" to the "permissions:" of the job (and of a job that calls it as a ' +
        'reusable workflow), or set failure-issues to false.'
      );
    case 410:
      return 'Issues are disabled: enable them in the settings of the repository, or set failure-issues to false.';
    case 422:
      return 'Look at issue-labels and issue-assignees.';
    default:
      return advice ?? 'The next run tries again.';
  }
}

/** Redacts the settings of issues, except for the token, which authenticates the requests. */
function redactSettings(settings: IssueSettings, redact: (text: string) => string): IssueSettings {
  const { token, labels, assignees, mentions } = settings;
  return {
    token,
    labels: labels.map(redact),
    assignees: assignees.map(redact),
    mentions: mentions.map(redact),
  };
}

/** Adds the addresses and the token to the secrets that the caller redacts. */
function redactWith(settings: AlarmSettings): (text: string) => string {
  const { notifyUrl, slackWebhookUrl, heartbeatUrl, issues } = settings;
  const secrets = [notifyUrl, slackWebhookUrl, heartbeatUrl, issues?.token].filter(
    (text) => !!text,
  ) as string[];
  const own = createRedactor(secrets);
  return (text) => own(settings.redact(text));
}
