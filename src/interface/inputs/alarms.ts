import { nameInput, say } from '../../runtime/wording.ts';
import type { AlarmInputs, MailInputs } from './alarm-types.ts';
import { type NotifyTarget, toNotifyTarget } from './notify-target.ts';
import { type InputName, inputs, type ReadInput } from './schema.ts';
import { type Mistake, type Parsed, toConfigurationError } from './taker.ts';
import { Problem } from './values.ts';

/**
 * Reads who is notified of the end of an operation. It is separate from the operation's own inputs, because a
 * mistake in those is a failure that must be notified, too.
 *
 * @throws ConfigurationError listing everything that is wrong
 */
export function parseAlarms(read: ReadInput): AlarmInputs {
  const taker = new AlarmTaker(read);
  const alarms: AlarmInputs = {
    githubToken: taker.take('github-token'),
    database: taker.take('database'),
    failureIssues: taker.take('failure-issues') ?? false,
    issueLabels: taker.take('issue-labels') ?? [],
    issueAssignees: taker.take('issue-assignees') ?? [],
    issueMentions: taker.take('issue-mentions') ?? [],
    notify: takeTarget(taker),
    slackWebhookUrl: taker.take('slack-webhook-url'),
    mail: takeMail(taker),
    heartbeatUrl: taker.take('heartbeat-url'),
    heartbeatSignals: taker.take('heartbeat-signals') ?? [],
    rpoTarget: taker.take('rpo-target'),
  };
  if (taker.problems.length > 0) throw toConfigurationError('an alarm', taker.problems);
  return alarms;
}

/** Takes the inputs one after another, and collects the problems of each; none depends on the operation. */
class AlarmTaker {
  readonly problems: Mistake[] = [];
  readonly #read: ReadInput;

  constructor(read: ReadInput) {
    this.#read = read;
  }

  take<N extends InputName>(name: N): Parsed<N> | undefined {
    const text = this.#read(name)?.trim() || (inputs[name].default as string | undefined);
    return text === undefined ? undefined : this.try(name, () => inputs[name].parse(text) as Parsed<N>);
  }

  /** Notes a problem that the body throws as one of the input. */
  try<T>(name: InputName, body: () => T): T | undefined {
    try {
      return body();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.problems.push({ name, problem });
      return undefined;
    }
  }
}

function takeTarget(taker: AlarmTaker): NotifyTarget | undefined {
  const [address, format] = [taker.take('notify-url'), taker.take('notify-format')];
  if (address === undefined || format === undefined) return undefined;
  return taker.try('notify-url', () => toNotifyTarget(address, format));
}

/**
 * Takes a mail server only where somebody is to get mail: a secret of this name that an environment of GitHub
 * has for other purposes means nothing. Where there is none, no mail is sent: a secret that is not set fails
 * no backup.
 */
function takeMail(taker: AlarmTaker): MailInputs | undefined {
  const [from, to] = [taker.take('mail-from'), taker.take('mail-to')];
  const server = to && taker.take('smtp-url');
  if (server === undefined || to === undefined) return undefined;
  if (from !== undefined) return { server, from, to };
  if (!taker.problems.some(({ name }) => name === 'mail-from')) {
    const remedy = 'Set it, for example to Backups <backups@example.com>.';
    taker.problems.push({
      name: 'mail-from',
      problem: new Problem(say`is required with ${nameInput('mail-to')}`, remedy),
    });
  }
  return undefined;
}
