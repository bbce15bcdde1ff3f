import { formatSecond } from '../../../../report/time.ts';
import { call, lines } from '../commands.ts';
import type { RunbookFacts } from '../facts.ts';
import { listItems, md, stack } from '../markdown.ts';
import type { Page, Step } from '../page.ts';
import { $, sh } from '../shell.ts';
import { nameRecipients, sourceProduction, takeBackup } from './steps.ts';

const notOurs = { time: 'not measured', proven: 'no drill proves it' };

/** Vault's root key is gone: its secrets are there and cannot be read. */
export function describeVaultKeyLost(): Page {
  return {
    name: 'vault-key-lost',
    title: 'The root key of Vault is lost',
    prospect: {
      way: 'restore a backup that carries the key, copy it from a project that has it, or make the secrets anew',
      loss: 'the secrets, where neither a backup nor a project has the key',
      ...notOurs,
    },
    tell: [
      {
        say: md`\`vault.decrypted_secrets\` fails, or a restore has said \`the root key of the vault\`. The names are there:`,
        run: sh`psql -X -At "${$.PRODUCTION_URL}" -c 'SELECT name FROM vault.secrets ORDER BY 1'`,
        expect: ['…'],
      },
    ],
    stop: [
      {
        say: md`Do not delete or pause a project that still reads its secrets: the key is there, and in no backup that lists \`the root key of the vault\` as missing.`,
      },
    ],
    recover: [
      {
        say: md`Restore a backup that carries the key into an empty project, with \`project-ref\` of that project and a token that may write its secrets: the restore gives it the key, and makes the secrets. A dry run says whether it will.`,
        otherwise: md`The backup does not carry it: go on below.`,
      },
      {
        say: md`Copy the key from that project into the new one, before secrets are made there. The token is one of your account.`,
        show: 'api=https://api.supabase.com/v1/projects\ncurl --fail -H "Authorization: Bearer $TOKEN" "$api/OLD_REF/pgsodium" |\n  curl --fail -X PUT -H "Authorization: Bearer $TOKEN" -H \'Content-Type: application/json\' --data-binary @- "$api/NEW_REF/pgsodium"',
        otherwise: md`No project has it: the secrets cannot be read by anybody. Make each anew from where it came, under its name.`,
      },
      {
        say: md`Restore again into an empty project, which makes the secrets anew, or make them by hand:`,
        show: "SELECT vault.create_secret('the secret', 'its name');",
      },
    ],
    verify: [
      { say: md`What uses a secret works: functions, webhooks, foreign servers. Ids of secrets are new.` },
    ],
    inform: [md`Whoever issued the secrets: they are issued again, and the old ones revoked.`],
    afterwards: [{ say: md`Keep the key where the age identity is kept.` }],
  };
}

/** Rows of storage.objects have no file any more. */
export function describeFilesGone(facts: RunbookFacts): Page {
  return {
    name: 'files-gone',
    title: 'Files of Storage are gone, and their rows are there',
    prospect: {
      way: 'copy the files back from where you keep a copy: no backup of this program has them',
      loss: 'files that no copy has',
      ...notOurs,
    },
    tell: [
      {
        say: md`Downloads say 404, and the rows are there. Count them, by bucket:`,
        run: sh`psql -X -At "${$.PRODUCTION_URL}" -c 'SELECT bucket_id, count(*) FROM storage.objects GROUP BY 1 ORDER BY 1'`,
        expect: ['…|…', '…'],
      },
    ],
    stop: [
      {
        say: md`Stop what deletes: jobs that remove rows without files would remove what says which files are missing. Keep the rows: they have owner, type and time.`,
      },
    ],
    recover: [
      {
        say: md`Copy them back over the S3 protocol of Storage. An upload keeps the row's id and owner, sets its times anew, and empties \`user_metadata\` where the copy has none.`,
        show: 'rclone copy COPY_OF_BUCKETS supabase-storage: --checksum --dry-run\nrclone copy COPY_OF_BUCKETS supabase-storage: --checksum',
        otherwise: md`The rows are gone, too: bring them back first ([lost rows](#lost-rows), with \`storage.objects\`).`,
      },
    ],
    verify: [{ say: md`Open some files of each bucket through the application, private ones too.` }],
    inform: [md`Whoever uploaded what no copy has.`],
    afterwards: [
      {
        say: md`Set times and \`user_metadata\` back: [lost rows](#lost-rows) with \`storage.objects\` as \`$TABLE\` shows them as changed. Leave \`version\` and \`metadata\` as the uploads made them.`,
      },
      {
        say: md`Copy the buckets as often as rows are backed up. ${facts.database} has no copy of them that this program knows of.`,
      },
    ],
  };
}

/** The platform's own backups beside these: which to take, and what to do before and after. */
export function describePlatformBackups(facts: RunbookFacts): Page {
  const { isCaptured } = facts;
  return {
    name: 'platform-backups',
    title: "Supabase's own backups, or these",
    prospect: {
      way: 'in the dashboard: Database, Backups; with the add-on at any second of its days',
      loss: 'everything since the chosen time, in the whole project; the project is down meanwhile',
      ...notOurs,
    },
    tell: [
      {
        say: stack(
          md`Which is better depends on what is to come back:`,
          listItems([
            md`the whole of a big project that is still there, a damaged server, a mistake of minutes ago: Supabase's own. They are physical, and point-in-time recovery, where it is switched on, loses least.`,
            md`one table, or rows beside the live ones: only these.`,
            md`a project that was deleted: only these, for Supabase's go with it.`,
            md`into another project, region or provider: only these.`,
          ]),
        ),
      },
    ],
    stop: isCaptured
      ? [
          {
            say: md`Before the platform restores or upgrades the project, drop the slot: it demands that. What is in it is stored first.`,
            run: lines(sourceProduction, call(facts, 'capture', ...nameRecipients(facts), sh`--drop-slot`)),
            expect: ['…', 'Captured through …', '…'],
          },
        ]
      : [],
    recover: [
      ...askPlatform(facts),
      {
        say: md`Restore in the dashboard. The first \`ACTIVE_HEALTHY\` proves nothing: wait until it was seen to leave that state and come back. It may take hours.`,
      },
    ],
    verify: [
      {
        say: md`Ask the application. Passwords of roles are today's, files of Storage stay as they are today.`,
      },
    ],
    inform: [md`Everybody who uses the application: it is down, and what was done since that time is gone.`],
    afterwards: [
      isCaptured ? captureAnew(facts) : takeBackup(facts),
      {
        say: md`Replay deletions, as after any restore: whoever asked to be erased since that time is there again.`,
      },
    ],
  };
}

/** With point-in-time recovery the program asks the platform, once, and waits for the project. */
function askPlatform({ platform }: RunbookFacts): Step[] {
  if (platform?.layer.kind !== 'pitr') return [];
  const { ref, layer } = platform;
  const window = `${formatSecond(layer.from)} to ${formatSecond(layer.to)}`;
  return [
    {
      say: md`Have the program ask the platform, instead of the dashboard: it drops the slot, asks once, waits until the project was seen to leave and to come back, and takes a new base. Any second of ${window} could be restored when this was written. The token may write backups; leave out the dry run when what it shows is right, and type the words then.`,
      show: `export SUPABASE_ACCESS_TOKEN='…' SUPABASE_BACKUP_TARGET_URL='…'\nsupabase-backup restore --managed --project-ref ${ref} --recovery-target-time TIME --storage STORAGE --dry-run`,
      otherwise: md`It says \`unconfirmed\` or that the project is not back: the same command waits on, and asks for nothing again.`,
    },
  ];
}

function captureAnew(facts: RunbookFacts): Step {
  return {
    say: md`Take a new base: its history is another one now. The exit code is 3 here, and right: the slot is gone, as was wanted. The capture makes a new one, and has taken a backup when it ends.`,
    run: lines(sourceProduction, call(facts, 'capture', ...nameRecipients(facts)), sh`echo "exit code $?"`),
    expect: ['…', 'CHANGES ARE LOST: …', '…', 'Backup …', '…', 'exit code 3'],
  };
}
