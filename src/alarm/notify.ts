import { GitHubApi, GitHubFailure } from '../github/api.ts';
import { Issues } from '../github/issues.ts';
import { isRepository, nameRepository } from '../github/run.ts';
import type { MailInputs } from '../interface/inputs/alarm-types.ts';
import { printableLines } from '../report/printable.ts';
import { createRedactor } from '../report/redact.ts';
import type { Context } from '../runtime/context.ts';
import { startTimer } from '../runtime/deadline.ts';
import { ConfigurationError, isKnownError, messageOf } from '../runtime/errors.ts';
import { nameInput, say, type Wording } from '../runtime/wording.ts';
import { DeliveryFailure, deliver } from './channels/delivery.ts';
import { toContent } from './channels/formats.ts';
import { type Beat, toBeat } from './channels/heartbeat.ts';
import { sendMail } from './channels/mail.ts';
import { renderMail } from './channels/mail-message.ts';
import { renderSlack } from './channels/slack.ts';
import { kindOf, toWebhookContent } from './channels/webhook.ts';
import { toDigestNotice } from './digest-notice.ts';
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
import { type Notice, toNotice } from './notice.ts';

type AlarmContext = Pick<Context, 'env' | 'log' | 'now' | 'signal'>;

/** The means of telling something */
interface Means {
  readonly settings: AlarmSettings;
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => Date;
  readonly limits: AlarmLimits;
  readonly signal: AbortSignal;
  redact(text: string): string;
  warn(message: string | Wording): void;
}

/** The event and the means of one notification */
interface Notification extends Means {
  /** The event before redaction, for digests only: its texts do not leave this machine. */
  readonly raw: RunEvent;
  /** The event without secrets */
  readonly event: RunEvent;
}

/**
 * Notifies people of how an operation ended: by an issue that opens and closes itself, a webhook, Slack, mail
 * and a heartbeat. Never throws, and takes `limits.totalMs` at most. A notification that fails is a warning,
 * because it must not change the outcome of the operation.
 */
export async function notify(
  raw: RunEvent,
  settings: AlarmSettings,
  context: AlarmContext,
  limits: AlarmLimits = defaultLimits,
): Promise<void> {
  await tell(settings, context, limits, async (means) => {
    const notification = { ...means, raw, event: redactEvent(raw, means.redact) };
    await Promise.all([sendHeartbeat(notification), sendAlarm(notification), sendDigest(notification)]);
  });
}

/** A start that is told is worth less than an end that is told soon. */
const startLimits: AlarmLimits = { ...defaultLimits, afterStopMs: 1000 };

/** Tells a dead man's switch that an operation begins. Never throws, and takes a bounded time, as `notify`. */
export async function notifyStart(settings: AlarmSettings, context: AlarmContext): Promise<void> {
  if (!settings.heartbeat?.signals.includes('start')) return;
  await tell(settings, context, startLimits, (means) => beat(means, { signal: 'start' }));
}

async function tell(
  settings: AlarmSettings,
  context: AlarmContext,
  limits: AlarmLimits,
  body: (means: Means) => Promise<void>,
): Promise<void> {
  try {
    const redact = redactWith(settings);
    const warn = (message: string | Wording) =>
      context.log.warn(say`alarm: ${typeof message === 'string' ? redact(message) : message.map(redact)}`);
    using timer = startTimer(limits.totalMs, context.signal, limits.afterStopMs);
    const { env } = context;
    const now = () => context.now();
    await body({ settings, env, now, limits, signal: timer.signal, redact, warn });
  } catch (error) {
    // Each channel catches its own errors. Any other error is a defect, perhaps of the redactor, so its
    // message may hold secrets and is not shown.
    const kind = error instanceof Error ? error.name : typeof error;
    context.log.warn(`alarm: some messages were not sent, because of a bug (${kind}). Report it.`);
  }
}

/**
 * Tells a dead man's switch, which raises an alarm when it hears nothing. Without further signals it hears of
 * successes only.
 */
async function sendHeartbeat(notification: Notification): Promise<void> {
  const { event, settings } = notification;
  const signal = event.state === 'succeeded' ? 'success' : 'fail';
  if (signal === 'fail' && !settings.heartbeat?.signals.includes('fail')) return;
  const { startedAt, at } = event;
  const message =
    event.state === 'succeeded'
      ? `${event.operation} of ${event.database}`
      : `${event.message}\n${event.next}`;
  const durationMs = at.getTime() - startedAt.getTime();
  await beat(notification, { signal, message: printableLines(message), durationMs });
}

async function beat(means: Means, told: Beat): Promise<void> {
  const { heartbeat } = means.settings;
  if (!heartbeat?.url) return;
  await attempt(means, 'the heartbeat was not sent', (signal) => {
    const { url, signals, runId } = heartbeat;
    const asked = toBeat(url, told, runId, signals.length > 0);
    return asked === undefined
      ? undefined
      : deliver(
          { input: 'heartbeat-url', url: asked.url, content: asked.text, env: means.env },
          means.limits,
          signal,
        );
  });
}

/** Updates the issues, and then sends the other messages: a success is sent only when it closed an issue. */
async function sendAlarm(notification: Notification): Promise<void> {
  const { raw, event } = notification;
  const change = await keepIssues(notification);
  const kind = kindOf(event, change);
  if (kind === undefined) return;
  const notice = toNotice(raw, event, kind, change);
  await sendNotice(notification, notice, change);
}

async function sendDigest(notification: Notification): Promise<void> {
  const { event } = notification;
  if (event.digest === undefined) return;
  await sendNotice(notification, toDigestNotice(event, event.digest), { outcome: 'none' });
}

/** Sends a notice to each channel that is set; one that fails stops no other. */
async function sendNotice(notification: Notification, notice: Notice, change: IssueChange): Promise<void> {
  const { event, settings, env, limits } = notification;
  const { notify: target, slackWebhookUrl, mail } = settings;
  const post = (input: string, url: string | undefined, write: () => object | undefined) =>
    url &&
    attempt(notification, `the message to ${input} was not sent`, (signal) => {
      const content = write();
      return content && deliver({ input, url, content, env }, limits, signal);
    });
  await Promise.all([
    post(
      'notify-url',
      target?.url,
      () => target && toContent(target, notice, () => toWebhookContent(event, notice, change)),
    ),
    post('slack-webhook-url', slackWebhookUrl, () => renderSlack(notice)),
    // Mail goes as often as an issue is commented: a capture that fails all day is no ninety mails.
    mail && change.outcome !== 'counted' && sendByMail(notification, notice, mail),
  ]);
}

function sendByMail(notification: Notification, notice: Notice, mail: MailInputs): Promise<void> {
  const { env, limits, warn } = notification;
  return attempt(notification, 'the mail was not sent', async (signal) => {
    const refused = await sendMail(renderMail(notice, mail), mail, env, limits, signal);
    if (refused.length > 0)
      warn(
        say`the mail server does not accept mail for ${refused.join(', ')}. Check ${nameInput('mail-to')}.`,
      );
  });
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
    throw new ConfigurationError(
      say`there is no ${nameInput('github-token')}`,
      say`Set ${nameInput('github-token')}, or ${nameInput('failure-issues')} to false.`,
    );
  }
  if (!isRepository(repository)) {
    throw new ConfigurationError(
      'the repository for issues is unknown',
      say`Set the environment variable GITHUB_REPOSITORY to owner/name, or ${nameInput('failure-issues')} to false.`,
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
  { signal, warn }: Means,
  failed: string,
  body: (signal: AbortSignal) => Promise<void> | undefined,
): Promise<void> {
  try {
    await body(signal);
  } catch (error) {
    warn(say`${failed}: ${explain(error)}`);
  }
}

function explain(error: unknown): string | Wording {
  if (error instanceof GitHubFailure) return say`${error.message}. ${adviseOn(error)}`;
  if (error instanceof DeliveryFailure || isKnownError(error))
    return say`${error.told.message}. ${error.told.next}`;
  return messageOf(error);
}

function adviseOn({ status, rateLimited, advice }: GitHubFailure): string | Wording {
  if (rateLimited) return "GitHub's rate limit is reached: the next run updates the issue.";
  switch (status) {
    case 401:
      return say`Check ${nameInput('github-token')}: it is wrong or has expired.`;
    case 403:
    case 404:
      return say`The token cannot write issues. Add "issues: write" to the "permissions:" of the job (and of the job that calls it as a reusable workflow), or set ${nameInput('failure-issues')} to false.`;
    case 410:
      return say`Issues are disabled. Enable them in the settings of the repository, or set ${nameInput('failure-issues')} to false.`;
    case 422:
      return say`Check ${nameInput('issue-labels')} and ${nameInput('issue-assignees')}.`;
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
  const { notify: target, slackWebhookUrl, heartbeat, issues, mail } = settings;
  const key = target?.format === 'pagerduty' ? target.routingKey : undefined;
  const all = [
    target?.url,
    key,
    slackWebhookUrl,
    heartbeat?.url,
    issues?.token,
    mail?.server.login?.password,
  ];
  const secrets = all.filter((text) => !!text) as string[];
  const own = createRedactor(secrets);
  return (text) => own(settings.redact(text));
}
