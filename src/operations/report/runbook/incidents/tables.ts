import { call, lines } from '../commands.ts';
import { md } from '../markdown.ts';
import { foresee } from '../methods.ts';
import type { Page } from '../page.ts';
import { $, sh } from '../shell.ts';
import {
  confirmed,
  keepBackup,
  listPoints,
  type RecoverableFacts,
  storeAnew,
  targetProduction,
} from './steps.ts';

/** A table was dropped: it alone comes back, and everything else stays. */
export function describeDroppedTable(facts: RecoverableFacts): Page {
  const { newest, isCaptured } = facts;
  const from = isCaptured ? sh`--recovery-target-time "${$.BEFORE}"` : sh`--backup-id ${newest.id}`;
  const chosen = sh`${from} --include "${$.TABLE}"`;
  return {
    name: 'dropped-table',
    title: 'A table was dropped',
    prospect: foresee(facts, 'restore that table alone, into the database in use', 'part'),
    tell: [
      {
        say: md`Queries fail with \`relation "…" does not exist\`. Ask the server:`,
        run: sh`echo "SELECT to_regclass(:'name') IS NULL" | psql -X -At -v name="${$.TABLE}" "${$.PRODUCTION_URL}"`,
        expect: ['t'],
        otherwise: md`\`f\`: the table is there. Rows are missing: [lost rows](#lost-rows). Columns are missing: [bad migration](#bad-migration).`,
      },
    ],
    stop: [keepBackup(facts)],
    recover: [
      ...(isCaptured ? [listPoints(facts)] : []),
      {
        say: md`See what would be done. Nothing is changed.`,
        run: lines(targetProduction, call(facts, 'restore', chosen, sh`--dry-run`)),
        expect: ['…', 'Plan: restore backup … into …', '…', 'Nothing was changed. …', '…'],
        otherwise: md`A name that the backup does not have is refused: correct \`$TABLE\`, or take an older point. Other objects that are in the way are named with what to do.`,
      },
      {
        say: md`Bring it back. Add views that fell with it to \`--include\`, separated by commas.`,
        run: call(facts, 'restore', chosen, confirmed),
        expect: ['…', 'Restore of backup … into …', '…', 'Restored …', '…', 'Parity: equal', '…'],
        otherwise: md`Exit code 3: the report names what could not come, with the statement that brings it. \`it has … already\`: the table is there again; stop and look.`,
      },
    ],
    verify: [
      {
        say: md`Count its rows, and compare with the [list of tables](#tables).`,
        run: sh`psql -X -At "${$.PRODUCTION_URL}" -c "SELECT count(*) || ' rows' FROM ${$.TABLE}"`,
        expect: ['… rows'],
      },
      {
        say: md`\`DROP … CASCADE\` took foreign keys of other tables, and views, with it: the first are not of this table and did not come. Restore all of it into an empty database ([project gone](#project-gone), up to its restore), compare \`pg_dump --schema-only\` of both, and run what is missing.`,
      },
    ],
    inform: [md`Whoever owns the table; whoever ran the \`DROP\`, for the time of it.`],
    afterwards: [storeAnew(facts), ...replayErasures(isCaptured ? '`$BEFORE`' : 'the time of the backup')],
  };
}

/** Rows are gone or wrong: they come beside the live ones, and SQL brings them back. */
export function describeLostRows(facts: RecoverableFacts): Page {
  const { newest } = facts;
  const lost = `nothing that is there now; rows written after ${newest.id} and lost are not in it`;
  return {
    name: 'lost-rows',
    title: 'Rows were deleted or changed',
    prospect: foresee(
      facts,
      'put the rows beside the live ones, compare, bring back what is missing',
      'side',
      lost,
    ),
    tell: [
      {
        say: md`Count the rows, and compare with the [list of tables](#tables).`,
        run: sh`psql -X -At "${$.PRODUCTION_URL}" -c "SELECT count(*) || ' rows' FROM ${$.TABLE}"`,
        expect: ['… rows'],
        otherwise: md`\`does not exist\`: [dropped table](#dropped-table).`,
      },
    ],
    stop: [keepBackup(facts)],
    recover: [
      {
        say: md`Put the rows into the schema \`rescue\`, which only the connected role can read. The live table is read and not written.`,
        run: lines(
          targetProduction,
          call(
            facts,
            'restore',
            sh`--backup-id ${newest.id} --include "${$.TABLE}"`,
            sh`--side-schema rescue --report-folder ./rescue`,
          ),
        ),
        expect: [
          '…',
          `Backup ${newest.id} beside the live tables of …`,
          '…',
          'The rows of … are in the schema rescue, for this role alone. Compared with the backup, the live tables are missing … rows, …',
          '…',
          'The SQL that brings rows back is in rescue/bring-back.sql. Review it, then run it with psql --file.',
          '…',
        ],
        otherwise: md`\`are missing 0 rows\`, and rows are missing all the same: the backup was taken after the mistake. Drop the schema (step below), and take an older id from the [list](#backups).`,
      },
      {
        say: md`Read \`rescue/bring-back.sql\`. It deletes nothing; rows that were changed stay as they are unless you take the comment off their \`UPDATE\`. Then run it:`,
        run: sh`psql -X -v ON_ERROR_STOP=1 -f ./rescue/bring-back.sql "${$.PRODUCTION_URL}"`,
        expect: ['BEGIN', '…', 'INSERT 0 …', 'COMMIT'],
        otherwise: md`An error takes all of it back. A foreign key: include the table that it names as well, and begin again.`,
      },
    ],
    verify: [
      {
        say: md`Ask what is still missing.`,
        run: sh`psql -X -At "${$.PRODUCTION_URL}" -c "SELECT count(*) || ' rows' FROM ${$.TABLE}"`,
        expect: ['… rows'],
      },
    ],
    inform: [md`Whoever works with these rows: what was read between the loss and now was incomplete.`],
    afterwards: [
      {
        say: md`Drop the side schema; backups hold it until then. The line \`NOTICE: drop cascades to …\` looks like trouble and is none.`,
        run: sh`psql -X "${$.PRODUCTION_URL}" -c 'DROP SCHEMA rescue CASCADE'`,
        expect: ['…', 'DROP SCHEMA'],
      },
      ...replayErasures('the time of the backup'),
    ],
  };
}

/** Erasures that people have asked for are undone by every restore. */
export function replayErasures(since: string): Page['afterwards'] {
  return [
    {
      say: md`Replay deletions: whoever asked to be erased, or took back consent, after ${{ markdown: since }} is there again. Go through your list of such requests, and erase them once more (GDPR, articles 17 and 7).`,
    },
  ];
}
