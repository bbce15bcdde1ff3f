import { quoteQualified } from '../../../../postgres/identifier.ts';
import { formatCounted } from '../../../../report/quantity.ts';
import { call, callAt, lines } from '../commands.ts';
import { md } from '../markdown.ts';
import { foresee } from '../methods.ts';
import type { Page, Step } from '../page.ts';
import { $, joinShell, type Shell, sh } from '../shell.ts';
import {
  confirmed,
  keepBackup,
  listPoints,
  nameRecipients,
  type RecoverableFacts,
  sourceProduction,
  stopWriters,
  storeAnew,
  targetNew,
  targetProduction,
} from './steps.ts';
import { replayErasures } from './tables.ts';

/** A migration, or damage all over: the database in use is emptied and brought to the time before. */
export function describeBadMigration(facts: RecoverableFacts): Page {
  const { newest, isCaptured, location } = facts;
  const from = isCaptured ? sh`--recovery-target-time "${$.BEFORE}"` : sh`--backup-id ${newest.id}`;
  return {
    name: 'bad-migration',
    title: 'A bad migration, or damage all over',
    prospect: foresee(
      facts,
      `empty the database in use, and bring it to ${isCaptured ? 'the time before' : 'the newest backup'}; a safety backup keeps what was written since`,
      isCaptured ? 'point-in-time' : 'whole',
    ),
    tell: [
      {
        say: md`Errors began with a deploy: columns are missing, values are wrong in many tables. If it is one table, [a dropped table](#dropped-table) or [lost rows](#lost-rows) lose less. The server tells when it was:`,
        run: sh`psql -X -At "${$.PRODUCTION_URL}" -c "SELECT 'it is ' || now()"`,
        expect: ['it is …'],
      },
    ],
    stop: [stopWriters, ...(isCaptured ? [secureSlot(facts)] : [keepBackup(facts)])],
    recover: [
      listPoints(facts),
      {
        say: md`See what would be done. Nothing is changed.`,
        run: lines(targetProduction, call(facts, 'restore', from, sh`--clean --dry-run`)),
        expect: ['…', 'Plan: restore backup … into …', '…', 'Nothing was changed. …', '…'],
        otherwise: md`A time that cannot be reached is refused with the nearest that can.`,
      },
      {
        say: md`Empty the database and restore. It is backed up first; note the id that is printed as \`$SAFETY_ID\`.`,
        run: call(facts, 'restore', from, sh`--clean --environment production`, confirmed),
        expect: [
          '…',
          'Restore of backup … into …',
          '…',
          `The target was backed up before anything was removed: …, pinned, in ${location}. …`,
          '…',
          ...(isCaptured ? ['Brought to …', '…'] : []),
          'Parity: equal',
          '…',
        ],
        otherwise: md`Exit code 1: it stopped, and says whether the database is incomplete; the same command again is the way on. Exit code 3: it is restored, and the report names what differs.`,
      },
    ],
    verify: [countRows(facts, sh`${$.PRODUCTION_URL}`, isCaptured)],
    inform: [
      md`Everybody who uses the application: what they did after that time is not there.`,
      md`Whoever deploys: the migration must not run again. Take it back in the repository first.`,
    ],
    afterwards: [
      {
        say: md`See what was written after that time, and who was deleted since: rows that the live tables \`lack\` were written after it; those \`only live\` came back although they had been deleted. [Lost rows](#lost-rows) says how rows are brought back.`,
        run: call(
          facts,
          'restore',
          sh`--backup-id "${$.SAFETY_ID}" --include "${$.TABLE}"`,
          sh`--side-schema since`,
        ),
        expect: ['…', 'Backup … beside the live tables of …', '…'],
      },
      ...replayErasures(isCaptured ? '`$BEFORE`' : 'the time of the backup'),
      {
        say: md`Drop the side schema. The line \`NOTICE: drop cascades to …\` looks like trouble and is none.`,
        run: sh`psql -X "${$.PRODUCTION_URL}" -c 'DROP SCHEMA since CASCADE'`,
        expect: ['…', 'DROP SCHEMA'],
      },
      storeAnew(facts),
      {
        say: md`Restart connection pools, and tell the API: \`NOTIFY pgrst, 'reload schema'\`. Start the application.`,
      },
    ],
  };
}

/** Stores what the slot holds, before it is read by nobody for hours. */
function secureSlot(facts: RecoverableFacts): Step {
  return {
    say: md`Store what was committed up to now. It also takes a backup of the damaged state, which loses nothing.`,
    run: lines(sourceProduction, call(facts, 'capture', ...nameRecipients(facts))),
    expect: ['…', 'Captured through …', '…'],
    otherwise: md`It fails: go on without; what was captured before is stored.`,
  };
}

/** The project is gone: everything comes into a new one. */
export function describeProjectGone(facts: RecoverableFacts): Page {
  const { newest, isCaptured } = facts;
  const chosen = isCaptured ? sh`--recovery-target-time latest` : sh`--backup-id ${newest.id}`;
  return {
    name: 'project-gone',
    title: 'The whole project is gone, paused or deleted',
    prospect: foresee(facts, 'restore all of it into a new project', 'whole'),
    tell: [
      {
        say: md`Look at the dashboard first. A paused project is brought back there, for 90 days, and nothing is lost. Of a deleted one Supabase's own backups are gone, too. The network may be the trouble: try from elsewhere.`,
      },
    ],
    stop: [
      keepBackup(facts),
      {
        say: md`Switch the backup workflows off, so that an empty new project is not taken for this one.`,
        show: 'gh workflow disable supabase-backup.yml',
      },
    ],
    recover: [
      {
        say: md`Make a new project (or an empty database), of PostgreSQL ${newest.serverMajor} or newer, and of the size of the old one. Its session pooler string is \`$NEW_URL\`. If it has Vault's secrets, its root key comes with the backup, or is copied from the old project before anything else ([Vault](#vault-key-lost)).`,
        run: sh`psql -X -At "${$.NEW_URL}" -c "SELECT 'PostgreSQL ' || current_setting('server_version')"`,
        expect: ['PostgreSQL …'],
        otherwise: md`No answer: wait until the project has come up, and look at its network restrictions.`,
      },
      {
        say: md`See what would be done. Nothing is changed.`,
        run: lines(targetNew, call(facts, 'restore', chosen, sh`--environment production --dry-run`)),
        expect: ['…', 'Plan: restore backup … into …', '…', 'Nothing was changed. …', '…'],
        otherwise: md`\`the database is not empty\`: take another, or see what is in it. It is not this runbook's to empty.`,
      },
      restoreIntoNew(call(facts, 'restore', chosen, sh`--environment production`, confirmed)),
    ],
    verify: [countRows(facts, sh`${$.NEW_URL}`, isCaptured)],
    inform: [
      md`Everybody who uses the application; whoever keeps its connection strings and API keys: all of them are new.`,
      md`Supabase's support, if nobody knows why the project is gone.`,
    ],
    afterwards: moveIn(isCaptured),
  };
}

function restoreIntoNew(run: Shell): Step {
  return {
    say: md`Restore. It is confirmed as production, so that jobs of pg_cron are switched on.`,
    run,
    expect: ['…', 'Restore of backup … into …', '…', 'Restored …', '…', 'Parity: equal', '…'],
    otherwise: md`Exit code 3: it is restored, and the report names what differs or could not come. Exit code 1: the same command again with \`--clean\`, or another empty database.`,
  };
}

/** What a new project needs that no backup has */
function moveIn(isCaptured: boolean): Step[] {
  return [
    {
      say: md`Set what no backup carries ([the list](#not-carried)): passwords of roles, Auth providers, Edge Functions and their secrets, API keys, files of Storage.`,
    },
    {
      say: md`Point the application at the new project. Set the secret with its connection string, give the policy a new \`storage\` (one database has one; keep the old), run \`schedule\`, and enable the workflows.`,
      show: 'gh secret set DATABASE_URL\ngh workflow enable supabase-backup.yml\ngh workflow run supabase-backup.yml',
    },
    ...replayErasures(isCaptured ? 'the last capture' : 'the time of the backup'),
  ];
}

/** The storage is gone: the second copy serves in its place. */
export function describeRegionGone(facts: RecoverableFacts): Page {
  const copy = sh`--storage "${$.COPY}"`;
  const newest = sh`--backup-id latest`;
  const chosen = facts.isCaptured ? sh`--recovery-target-time latest` : newest;
  return {
    name: 'storage-region-gone',
    title: 'The storage of the backups is gone',
    prospect: foresee(facts, 'restore from the second copy', 'whole'),
    tell: [
      {
        say: md`The storage does not answer, or is empty.`,
        run: lines(call(facts, 'status'), sh`echo "exit code $?"`),
        expect: ['…', 'error: …', '…', 'exit code …'],
        otherwise: md`\`Backups in …\`: the storage answers. See what it says is broken.`,
      },
    ],
    stop: [
      {
        say: md`Do not write into the copy, and stop what synchronizes it, unless that is \`mirror\`, which deletes nothing: an empty storage must not be copied over it. \`rclone sync\` and \`aws s3 sync --delete\` would.`,
      },
    ],
    recover: [
      {
        say: md`See what the copy has. Add \`--s3-endpoint\` and \`--s3-region\` where it needs them.`,
        run: callAt(copy, 'list'),
        expect: ['Backups in …', '…', '… a cleanup with this retention would remove …', '…'],
      },
      {
        say: md`Read the newest backup back, all of it.`,
        run: callAt(copy, 'validate', newest),
        expect: ['…', 'Validation: nothing is damaged, …', '…'],
        otherwise: md`Exit code 3: take the one before, by its id, here and below.`,
      },
      {
        say: md`If the database is gone as well, or to prove the copy: restore into \`$NEW_URL\`.`,
        run: lines(targetNew, callAt(copy, 'restore', sh`${chosen} --environment production`, confirmed)),
        expect: ['…', 'Restore of backup … into …', '…', 'Restored …', '…', 'Parity: equal', '…'],
        otherwise: md`Exit code 3: the report names what differs. Exit code 1: another empty database, and the backup before.`,
      },
    ],
    verify: [countRows(facts, sh`${$.NEW_URL}`, true)],
    inform: [md`Whoever runs the storage; whoever answers for backups: there is one copy less.`],
    afterwards: [
      {
        say: md`Make a new storage in another region, bring all of the copy into it, and give it to the policy.`,
        run: lines(sh`export SUPABASE_BACKUP_COPIES="${$.NEW_STORAGE}"`, callAt(copy, 'mirror')),
        expect: ['…', 'Mirror: 1 copy is up to date', '…'],
        otherwise: md`Exit code 3: the report names what the copy itself has lost.`,
      },
      {
        say: md`Take a full backup into it, by hand, before you sleep.`,
      },
    ],
  };
}

/** How many tables are counted in the end */
const countedTables = 3;

/** Counts the largest tables, whose numbers are known. */
function countRows({ newest }: RecoverableFacts, url: Shell, isLater: boolean): Step {
  const counted = newest.tables.slice(0, countedTables);
  const questions = counted.map(
    ({ schema, name }) => sh`-c ${`SELECT count(*) FROM ${quoteQualified(schema, name)}`}`,
  );
  return {
    say: md`Count the largest tables. In ${newest.id} they have ${formatNumbers(counted)}${isLater ? '; at a later point it may be others' : ''}. Then ask the application.`,
    run: joinShell(' \\\n  ', [sh`psql -X -At "${url}"`, ...questions]),
    expect: counted.map(({ rows }) => (isLater ? '…' : String(rows))),
    otherwise: md`Far fewer: stop, and restore an older backup into another database.`,
  };
}

function formatNumbers(tables: readonly { readonly rows: number }[]): string {
  return tables.map(({ rows }) => formatCounted(rows, 'row')).join(', ');
}
