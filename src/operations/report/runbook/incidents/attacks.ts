import { call, callAt, lines } from '../commands.ts';
import type { RunbookFacts } from '../facts.ts';
import { code, md } from '../markdown.ts';
import type { Page, Step } from '../page.ts';
import { $, sh } from '../shell.ts';
import { nameRecipients, sourceProduction } from './steps.ts';

/** A key, a password or an identity is in the wrong hands. */
export function describeLeakedKey(facts: RunbookFacts): Page {
  return {
    name: 'leaked-key',
    title: 'A key has leaked',
    prospect: {
      way: 'change the key first, then find out what was done with it',
      time: 'minutes for each key',
      loss: 'nothing is lost; what could be read with the key counts as read',
      proven: 'no drill proves it',
    },
    tell: [
      {
        say: md`A secret stands in a log, a commit or a chat, or its provider writes to you. Do not ask first whether it was used.`,
      },
    ],
    stop: changeKeys(facts),
    recover: [
      {
        say: md`See that nobody has changed what is stored: every byte is read and compared.`,
        run: call(facts, 'validate', sh`--backup-id all`),
        expect: ['…', 'Validation: nothing is damaged, …', '…'],
        otherwise: md`Exit code 3: go to [ransomware](#ransomware).`,
      },
      {
        say: md`See whether there are backups that nobody of yours took. \`show\` with an id says who restored it, and where.`,
        run: call(facts, 'list'),
        expect: ['Backups in …', '…'],
      },
    ],
    verify: [
      {
        say: md`A run with the new keys passes; the old ones are refused where they were in use.`,
        show: 'gh workflow run supabase-backup.yml',
      },
    ],
    inform: [
      md`Whoever answers for data protection, at once: where personal data may have been read, the authority is told within 72 hours (GDPR, article 33).`,
      md`The provider of the key; whoever else has it in use.`,
    ],
    afterwards: [
      {
        say: md`An identity that leaked opens every backup that was ever encrypted for it. When enough new backups are there, remove the old ones with \`cleanup\`, and from copies and versions, too.`,
      },
    ],
  };
}

function changeKeys({ encryption, keyHeld, policy }: RunbookFacts): Step[] {
  const database = policy?.secretNames.ofDatabase ?? 'DATABASE_URL';
  const identity = policy?.secretNames.ofIdentity;
  return [
    {
      say: md`The database's password: reset it in the dashboard (Database settings), then the secret ${code(database)}, then the application.`,
      show: `gh secret set ${/^\w+$/.test(database) ? database : 'DATABASE_URL'}`,
    },
    {
      say: md`A key to the storage: make a new one, put it in place, then delete the old one at the provider.`,
      show: 'gh secret set AWS_ACCESS_KEY_ID\ngh secret set AWS_SECRET_ACCESS_KEY',
    },
    encryption.scheme === 'age'
      ? {
          say: md`The age identity: make a new one, write its recipient into \`encryption-recipients\`, change ${identity === undefined ? 'the secret that holds it' : code(identity)}, and take a full backup: unchanged rows are stored again, for the new recipient.`,
          show: 'age-keygen -o new-identity.txt\nsupabase-backup schedule',
        }
      : {
          say: md`Backups are not encrypted: whoever could read the storage could read all of them. Make an identity, and set \`encryption-recipients\`.`,
          show: 'age-keygen -o new-identity.txt',
        },
    keyHeld === 'outside'
      ? {
          say: md`The repository's key: with it, backups can be forged, and not opened. A repository keeps its key: begin a new storage with a new one, and keep the old storage to read.`,
        }
      : {
          say: md`The repository's key is in the storage, in \`repository.json\`: whoever could write there could have forged a backup. Restore only backups from before, or see what a restore of them would do by \`--dry-run\`.`,
        },
    {
      say: md`A token of GitHub: revoke it, then look through the audit log for runs and secrets that nobody of yours has touched.`,
    },
  ];
}

/** Somebody has removed or overwritten what is stored. */
export function describeRansomware(facts: RunbookFacts): Page {
  const fresh = sh`--storage "${$.NEW_STORAGE}"`;
  return {
    name: 'ransomware',
    title: 'Backups were deleted or encrypted by somebody',
    prospect: {
      way: 'a new storage with new keys first; then versions of the bucket, or the second copy',
      time: 'as long as a backup',
      loss: 'nothing, as long as the database lives; older points only if versions or a copy have them',
      proven: 'no drill proves it',
    },
    tell: [
      {
        say: md`Read back what is there.`,
        run: lines(call(facts, 'validate', sh`--backup-id all`), sh`echo "exit code $?"`),
        expect: ['…', 'exit code …'],
        otherwise: md`Exit code 0 and \`nothing is damaged\`: it is not this. \`there is no repository\`: all of it is gone. 3: the damaged are named.`,
      },
    ],
    stop: [
      {
        say: md`Revoke every key to the bucket at its provider, the workflows' own too. Suspend its lifecycle rules: they would delete the versions that you need.`,
      },
      {
        say: md`The database lives, and has everything: back it up into a new storage, in another account, with new keys.`,
        run: lines(sourceProduction, callAt(fresh, 'backup', ...nameRecipients(facts))),
        expect: ['…', 'Backup …', '…'],
      },
    ],
    recover: [
      {
        say: md`Where the bucket keeps versions or has object lock, what was deleted is hidden and not gone: list the markers, and remove them with a key that may.`,
        show: 'aws s3api list-object-versions --bucket BUCKET --prefix PREFIX --query "DeleteMarkers[?IsLatest]"\naws s3api delete-object --bucket BUCKET --key KEY --version-id MARKER',
      },
      { say: md`Else the second copy: [the storage is gone](#storage-region-gone).` },
    ],
    verify: [
      {
        say: md`The new storage is whole.`,
        run: callAt(fresh, 'validate', sh`--backup-id all`),
        expect: ['…', 'Validation: nothing is damaged, …', '…'],
      },
    ],
    inform: [
      md`Whoever answers for security, and for data protection: who could delete could read (GDPR, article 33: 72 hours).`,
      md`The provider of the storage: it may still have what you do not see.`,
    ],
    afterwards: [
      {
        say: md`Give the job a key that may not delete, and \`cleanup\` one of its own; turn versions and object lock on. Keep what was found for those who investigate.`,
      },
    ],
  };
}
