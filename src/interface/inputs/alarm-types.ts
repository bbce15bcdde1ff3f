import type { MailAddress, MailServer } from './mail-values.ts';
import type { NotifyTarget } from './notify-target.ts';
import type { HeartbeatSignal } from './operations.ts';

/* The parsed and checked inputs of alarms, which any operation may have. */

/** Through which server mail is sent, and between whom. */
export interface MailInputs {
  readonly server: MailServer;
  readonly from: MailAddress;
  readonly to: readonly MailAddress[];
}

/** Who is notified of a failure, and how. */
export interface AlarmInputs {
  readonly githubToken: string | undefined;
  /** undefined: messages name the storage instead */
  readonly database: string | undefined;
  readonly failureIssues: boolean;
  readonly issueLabels: readonly string[];
  readonly issueAssignees: readonly string[];
  readonly issueMentions: readonly string[];
  readonly notify: NotifyTarget | undefined;
  readonly slackWebhookUrl: string | undefined;
  readonly mail: MailInputs | undefined;
  readonly heartbeatUrl: string | undefined;
  /** What the heartbeat tells besides successes */
  readonly heartbeatSignals: readonly HeartbeatSignal[];
  /** milliseconds */
  readonly rpoTarget: number | undefined;
}
