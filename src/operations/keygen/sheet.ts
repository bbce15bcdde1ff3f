/** What the sheet says of the backups; empty or undefined: left to be filled in by hand */
export interface SheetSubject {
  readonly title: string | undefined;
  /** Each database, and the storage of its backups */
  readonly places: readonly { readonly database: string; readonly storage: string }[];
  /** OWNER/REPO of the workflows */
  readonly repository: string | undefined;
  readonly projectRef: string | undefined;
}

interface SheetFacts extends SheetSubject {
  /** The secret half */
  readonly identity: string;
  readonly recipient: string;
  readonly keyFile: string;
  readonly made: Date;
}

const blank = '______________________________';

/** Renders the recovery sheet: one page of Markdown that also reads well as it is, printed. It holds the key. */
export function renderSheet(facts: SheetFacts): string {
  const { title, places, repository, projectRef, identity, recipient, keyFile, made } = facts;
  const storage = places[0]?.storage ?? 's3://bucket/prefix';
  const rows = places.length > 0 ? places : [{ database: title ?? blank, storage: blank }];
  return `# Recovery sheet: database backups${title === undefined ? '' : ` of ${title}`}

Made on ${made.toISOString().slice(0, 10)} by supabase-backup. **Whoever has this page and the stored backups can read everything in the
database. Without the key below nobody can, and nobody can make it again.** Keep it in a safe or a password manager, apart from the
backups, where two people can get at it. Then delete this file.

## The key

    ${identity}

Its public half, for which the backups are encrypted: ${recipient}

The same key is in ${keyFile}, and as a secret BACKUP_IDENTITY on GitHub if it was set there (nobody can read it from there again).

## Where the backups are

${rows.map(({ database, storage: place }) => `- ${database}: ${place}`).join('\n')}
- workflows: ${repository === undefined ? blank : `https://github.com/${repository}/actions`}
- Supabase project: ${projectRef === undefined ? blank : `https://supabase.com/dashboard/project/${projectRef}`}
- who has the keys of the storage: ${blank}
- who may restore: ${blank}

## How to restore

Into an empty database, best a new project. Write the key into a file first, such as key.txt, with nothing else in it.

    export SUPABASE_BACKUP_ENCRYPTION_IDENTITY=./key.txt
    export SUPABASE_BACKUP_TARGET_URL='postgresql://…'      # of the empty database: Connect → Session pooler
${accessOf(storage, repository)}
    supabase-backup list --storage ${storage}
    supabase-backup restore --storage ${storage} --dry-run
    supabase-backup restore --storage ${storage}

Or on GitHub: Actions → Database restore → Run workflow.

Without supabase-backup: psql, pg_restore, zstd and age (https://age-encryption.org) are enough, with the script recover/recover-by-hand.sh
of its repository. docs/recover-by-hand.md has the steps by hand.

    ./recover-by-hand.sh ./repository latest - key.txt
`;
}

/** The lines that give access to the storage, filled in by whoever has its keys. */
function accessOf(storage: string, repository: string | undefined): string {
  if (/^s3:/i.test(storage))
    return '    export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…     # of the storage\n';
  if (/^artifact:/i.test(storage))
    return `    export GITHUB_REPOSITORY=${repository ?? 'OWNER/REPO'} SUPABASE_BACKUP_GITHUB_TOKEN=…   # actions: read\n`;
  return '';
}
