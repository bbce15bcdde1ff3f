import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { type AlarmLimits, type AlarmSettings, defaultLimits, type RunEvent } from '../alarm/event.ts';
import { classifyFailure, classifyNegative } from '../alarm/failure-class.ts';
import { notifyStart, notify as tell } from '../alarm/notify.ts';
import { tryChannels } from '../alarm/trial.ts';
import { readRun } from '../github/run.ts';
import type { AlarmInputs } from '../interface/inputs/alarm-types.ts';
import { parseAlarms } from '../interface/inputs/alarms.ts';
import { announced, type Operation } from '../interface/inputs/operations.ts';
import type { ReadInput } from '../interface/inputs/schema.ts';
import type { Inputs } from '../interface/inputs/types.ts';
import { findNewest } from '../operations/status/newest-backup.ts';
import type { Context } from '../runtime/context.ts';
import { nameInput, say } from '../runtime/wording.ts';
import type { SlotLook } from '../values/slot-look.ts';
import { tellNegative } from './process/failure.ts';
import { Interruption } from './process/interruption.ts';
import type { End } from './run-end.ts';
import { recordRun } from './run-record.ts';

/** The alarm of one run. It tells people, services and the repository how the operation ended. */
export interface Alarm {
  /** The inputs, once they are parsed; undefined when they contain a mistake */
  inputs: Inputs | undefined;
  /**
   * Notes what `repository.json` holds where the run has opened a repository; for the context of the run. The
   * record of the run is then written without reading it again.
   */
  readonly noteRepository: NonNullable<Context['noteRepository']>;
  /** Notes what the run has seen of the slot of captures; for the context of the run. */
  readonly noteSlot: NonNullable<Context['noteSlot']>;
  /** Sends a test message to each channel; for the context of the run. */
  readonly tryChannels: NonNullable<Context['tryChannels']>;
  /** Tells a dead man's switch, where one is to hear of it, that the operation begins. Does not wait for it. */
  begin(): void;
  /**
   * Notifies at most once: if a stopped run finishes after its alarm went out, the second end is dropped.
   * Never throws: what cannot be delivered is a warning.
   */
  notify(end: End): Promise<void>;
}

/**
 * Reads who is to be notified. Only operations in `announced` notify, and `alarm` on behalf of one of them.
 *
 * @throws ConfigurationError when an address or a label is wrong: the mistake is found now, and not when the
 * alarm is needed
 */
export function createAlarm(read: ReadInput, context: Omit<Context, 'temporaryFolder'>): Alarm {
  const [asked, speaksFor] = (['operation', 'alarm-of'] as const).map((name) => read(name)?.trim());
  const operation = announced.find((name) => name === (asked === 'alarm' ? speaksFor : asked));
  const wanted = parseAlarms(read);
  const settings = toSettings(wanted, context.redact);
  const startedAt = context.now();
  const opened = new Map<string, Buffer>();
  let slot: SlotLook | undefined;
  // A dry run does not notify.
  const isSilent = operation === undefined || read('dry-run')?.trim() === 'true';
  const over = new AbortController();
  let begun: Promise<void> | undefined;
  let notified: Promise<unknown> | undefined;
  const alarm: Alarm = {
    inputs: undefined,
    noteRepository: (location, config) => void opened.set(location, config),
    noteSlot: (look) => {
      slot = look;
    },
    tryChannels() {
      const database = nameDatabase(wanted, read, 'doctor');
      const facts = { operation: 'doctor', database, outputs: {}, startedAt, at: context.now() };
      return tryChannels({ ...facts, run: readRun(context.env) }, settings, context);
    },
    begin() {
      if (isSilent || asked === 'alarm') return;
      const signal = AbortSignal.any([context.signal, over.signal]);
      begun ??= notifyStart(settings, { ...context, signal });
    },
    async notify(end) {
      const facts = { inputs: alarm.inputs, startedAt, opened, slot };
      notified ??= Promise.all([tellOnce(end), recordRun(end, facts, context)]);
      await notified;
    },
  };
  return alarm;

  async function tellOnce(end: End): Promise<void> {
    // An `alarm` without findings does not notify: it is no success of the operation that it speaks for.
    if (isSilent || (asked === 'alarm' && 'outcome' in end)) return;
    if (wanted.mail === undefined && read('mail-to')?.trim())
      context.log.warn(
        say`alarm: no mail is sent: ${nameInput('mail-to')} is set, and ${nameInput('smtp-url')} is not. Set it, or leave ${nameInput('mail-to')} out.`,
      );
    if ('outcome' in end && end.outcome.digest !== undefined && !takesDigest(wanted))
      context.log.warn(
        say`alarm: no digest is sent: neither ${nameInput('smtp-url')} nor ${nameInput('notify-url')} nor ${nameInput('slack-webhook-url')} is set.`,
      );
    if (!isOn(wanted)) return;
    // The switch must not hear of the start after it has heard of the end.
    over.abort(new Error('the operation ended before it was announced'));
    await begun;
    const event = await toRunEvent(end, operation, alarm.inputs, wanted, startedAt, read, context);
    await tell(event, settings, context, limitsFor(context.signal));
  }
}

function toSettings(wanted: AlarmInputs, redact: Context['redact']): AlarmSettings {
  const { failureIssues, githubToken: token = '', heartbeatUrl: url, heartbeatSignals: signals } = wanted;
  const { issueLabels: labels, issueAssignees: assignees, issueMentions: mentions } = wanted;
  const { notify, slackWebhookUrl, mail } = wanted;
  return {
    issues: failureIssues ? { token, labels, assignees, mentions } : undefined,
    ...{ notify, slackWebhookUrl, mail },
    heartbeat: url === undefined ? undefined : { url, signals, runId: randomUUID() },
    redact,
  };
}

/**
 * Divides the time that a stopped process has left: the issues leave some of it to the messages, and both
 * leave some to the warnings.
 */
function limitsFor({ reason }: AbortSignal): AlarmLimits {
  if (!(reason instanceof Interruption)) return defaultLimits;
  const afterStopMs = Math.min(defaultLimits.afterStopMs, reason.timeLeftMs - 200);
  return { ...defaultLimits, afterStopMs, issuesMs: 0.6 * afterStopMs };
}

function isOn({ failureIssues, notify, slackWebhookUrl, mail, heartbeatUrl }: AlarmInputs): boolean {
  return failureIssues || [notify, slackWebhookUrl, mail, heartbeatUrl].some((set) => set !== undefined);
}

function takesDigest({ notify, slackWebhookUrl, mail }: AlarmInputs): boolean {
  return [notify, slackWebhookUrl, mail].some((set) => set !== undefined);
}

/** The text is the same whether the inputs could be parsed or not. */
function nameDatabase({ database }: AlarmInputs, read: ReadInput, operation: Operation): string {
  return database ?? (read('storage')?.trim() || (read('policy')?.trim() ?? operation));
}

async function toRunEvent(
  end: End,
  operation: Operation,
  inputs: Inputs | undefined,
  wanted: AlarmInputs,
  startedAt: Date,
  read: ReadInput,
  context: Omit<Context, 'temporaryFolder'>,
): Promise<RunEvent> {
  const facts = {
    operation,
    database: nameDatabase(wanted, read, operation),
    outputs: 'outcome' in end ? end.outcome.outputs : {},
    digest: 'outcome' in end ? end.outcome.digest : undefined,
    run: readRun(context.env),
    startedAt,
    at: context.now(),
    rpoTarget: wanted.rpoTarget,
  };
  if ('outcome' in end && end.outcome.exitCode === 0) {
    const partial = inputs?.operation === 'validate' && inputs.share < 1;
    return { ...facts, state: 'succeeded', partial };
  }
  const lastGood = await Promise.race([
    // No file is written: only what lies in an artifact would have to be downloaded, and is not looked at.
    findNewest(inputs, { ...context, temporaryFolder: tmpdir() }),
    abortOf(context.signal),
  ]);
  if ('outcome' in end) {
    return {
      ...{ ...facts, lastGood, state: 'negative', message: tellNegative(operation, end.outcome) },
      failureClass: classifyNegative(operation, facts.outputs),
      next: 'The report of the run says what it found, and what to do.',
    };
  }
  const { kind, message, next } = end.failure;
  const failureClass = classifyFailure(kind, end.error);
  return { ...{ ...facts, lastGood, state: 'failed', failureClass }, message, next };
}

/**
 * Resolves when the run is stopped: a storage that does not answer must not delay the alarm of a process that
 * is about to end.
 */
function abortOf(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
