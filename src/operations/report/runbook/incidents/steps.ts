import { call, lines } from '../commands.ts';
import type { NewestBackup, RunbookFacts } from '../facts.ts';
import { md } from '../markdown.ts';
import type { Step } from '../page.ts';
import { $, type Shell, sh } from '../shell.ts';

/* Steps that several pages have. */

/** What a page is written from: with no backup there is nothing to bring back, and only one page. */
export interface RecoverableFacts extends RunbookFacts {
  readonly newest: NewestBackup;
}

export const targetProduction = sh`export SUPABASE_BACKUP_TARGET_URL="${$.PRODUCTION_URL}"`;
export const targetNew = sh`export SUPABASE_BACKUP_TARGET_URL="${$.NEW_URL}"`;
export const sourceProduction = sh`export SUPABASE_BACKUP_DATABASE_URL="${$.PRODUCTION_URL}"`;

/** The words that a restore into production asks for */
export const confirmed = sh`--confirm 'RESTORE PRODUCTION'`;

export function listPoints(facts: RunbookFacts): Step {
  return {
    say: facts.isCaptured
      ? md`See which points in time can be reached. \`$BEFORE\` lies in one of the stretches in the last line, before the mistake; the newest such time loses least.`
      : md`See which backups there are. Take the newest of before the mistake.`,
    run: call(facts, 'list'),
    expect: [
      `Backups in ${facts.location}: …`,
      '…',
      ...(facts.isCaptured
        ? ['Any point in time can be recovered from …']
        : ['… a cleanup with this retention would remove …']),
      '…',
    ],
    otherwise: md`Exit code 3 means that manifests are damaged: go to [ransomware](#ransomware).`,
  };
}

/** Keeps a cleanup from removing what is about to be needed. */
export function keepBackup(facts: RecoverableFacts): Step {
  const { id } = facts.newest;
  return {
    say: md`Keep the newest backup of before the mistake, whatever a cleanup would do. If it is not this one, take its id from the [list](#backups).`,
    run: call(facts, 'pin', sh`--backup-id ${id}`),
    expect: [`Backup ${id} is pinned…`, '…'],
  };
}

export const stopWriters: Step = {
  say: md`Stop what writes: scale the application to zero, pause queues and webhooks, switch pg_cron's jobs off. What is written from now on may be lost, or makes the repair harder.`,
};

/** Stores what came since, so that nothing more is lost: a new base. */
export function storeAnew(facts: RunbookFacts): Step {
  const recipients = nameRecipients(facts);
  if (!facts.isCaptured) return takeBackup(facts);
  return {
    say: md`Make a new base: the next capture sees that definitions have changed, and takes a backup at once.`,
    run: lines(sourceProduction, call(facts, 'capture', ...recipients)),
    expect: ['…', 'Captured through …', '…'],
    otherwise: md`It says that changes are lost and ends with 3: go to [the slot is lost](#slot-lost).`,
  };
}

export function takeBackup(facts: RunbookFacts): Step {
  return {
    say: md`Take a full backup. Add \`--include\` and \`--exclude\` if the workflow has them.`,
    run: lines(sourceProduction, call(facts, 'backup', ...nameRecipients(facts))),
    expect: ['…', 'Backup …', '…'],
    otherwise: md`The message names what is missing. Nothing counts as a backup before \`Backup …\` is printed.`,
  };
}

/** For whom a backup is encrypted: recipients are public. */
export function nameRecipients({ encryption }: Pick<RunbookFacts, 'encryption'>): Shell[] {
  return encryption.scheme === 'age' ? [sh`--encryption-recipients ${encryption.recipients.join(',')}`] : [];
}
