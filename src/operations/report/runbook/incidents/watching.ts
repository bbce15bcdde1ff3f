import { formatAge } from '../../../../report/quantity.ts';
import { call, lines } from '../commands.ts';
import type { RunbookFacts } from '../facts.ts';
import { md } from '../markdown.ts';
import type { Page } from '../page.ts';
import { $, sh } from '../shell.ts';
import { nameRecipients, sourceProduction, takeBackup } from './steps.ts';

/** No backup has come for too long, or there is none yet. */
export function describeNoFreshBackups(facts: RunbookFacts): Page {
  const { gap } = facts;
  return {
    name: 'no-fresh-backups',
    title: 'No fresh backups: the job is dead',
    prospect: {
      way: 'take one by hand, then find out why the job did not',
      time: 'as long as a backup',
      loss: 'nothing, as long as the database lives',
      proven: 'every backup proves it',
    },
    tell: [
      {
        say: md`The alarm says so, or \`status\` does. ${gap === undefined ? 'When this was written there was no backup' : md`The longest stretch without a point to go back to was ${formatAge(gap)} when this was written`}.`,
        run: lines(call(facts, 'status'), sh`echo "exit code $?"`),
        expect: ['…', 'exit code …'],
        otherwise: md`Exit code 0: everything is fresh. 3: \`BROKEN\` names the limit. 2 and \`there is no repository\`: nothing was ever stored here, or the [storage is gone](#storage-region-gone).`,
      },
    ],
    stop: [takeBackup(facts)],
    recover: [
      {
        say: md`See what the last runs said, and whether GitHub has disabled the schedule: after 60 days without a commit it does.`,
        show: 'gh run list --workflow supabase-backup.yml --limit 5\ngh run view --log-failed RUN_ID\nsupabase-backup schedule --check',
        otherwise: md`The cause is in the last \`error:\`, and what to do behind the arrow. Passwords that were changed, roles that expired and minutes that are used up are the usual ones.`,
      },
      {
        say: md`Enable it again, and start it once.`,
        show: 'gh workflow enable supabase-backup.yml\ngh workflow run supabase-backup.yml',
      },
    ],
    verify: [
      {
        say: md`The newest backup is of now.`,
        run: call(facts, 'status'),
        expect: ['Backups in …', '…', 'newest backup …', '…'],
      },
    ],
    inform: [md`Whoever relies on the limit that was broken.`],
    afterwards: [
      { say: md`Let \`heartbeat-url\` call somebody outside of GitHub: a job that is dead tells nobody.` },
    ],
  };
}

/** The replication slot is lost: the chain of changes has ended, and a new one begins. */
export function describeSlotLost(facts: RunbookFacts): Page {
  const capture = call(facts, 'capture', ...nameRecipients(facts));
  return {
    name: 'slot-lost',
    title: 'The replication slot is lost',
    prospect: {
      way: 'capture again, which makes a new slot and takes a backup',
      time: 'as long as a backup',
      loss: 'nothing, as long as the database lives; points in time between the last capture and the new backup cannot be reached any more',
      proven: 'every first capture proves it',
    },
    tell: [
      {
        say: md`A capture ended with 3, or the alarm says that changes are lost. Ask the server:`,
        run: sh`psql -X -At "${$.PRODUCTION_URL}" -c "SELECT count(*) || ' slot in use' FROM pg_replication_slots
  WHERE database = current_database() AND slot_name LIKE 'supabase_backup_%' AND wal_status IS DISTINCT FROM 'lost'"`,
        expect: ['0 slot in use'],
        otherwise: md`\`1 slot in use\`: it is there; the message of the last capture says what else was wrong.`,
      },
    ],
    stop: [
      {
        say: md`Capture. The exit code is 3 here, and right: it says that changes are lost, makes a new slot, and has taken a backup when it ends.`,
        run: lines(sourceProduction, capture, sh`echo "exit code $?"`),
        expect: ['…', 'CHANGES ARE LOST: …', '…', 'Backup …', '…', 'exit code 3'],
        otherwise: md`Exit code 0: nothing was lost, and the slot is there. Exit code 2: the message names what the server lacks, as a free slot.`,
      },
    ],
    recover: [
      {
        say: md`Capture again. The chain goes on.`,
        run: capture,
        expect: ['…', 'Captured through …', '…', 'It can be replayed on backup …', '…'],
      },
    ],
    verify: [
      {
        say: md`The newest stretch begins with the new backup.`,
        run: call(facts, 'list'),
        expect: ['…', 'Any point in time can be recovered from …', '…'],
      },
    ],
    inform: [
      md`Whoever may have to go back into the gap: it is named by \`status\`, and nothing brings it back.`,
    ],
    afterwards: [
      {
        say: md`Find out why. \`wal_status\` was \`lost\`: captures stopped for longer than \`max_slot_wal_keep_size\` allows; let them run more often. The slot was gone: somebody dropped it, or the platform restored or upgraded the project ([before that](#platform-backups)).`,
      },
    ],
  };
}
