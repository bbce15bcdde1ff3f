/*
 * Everything that a command of a runbook does not know when it is written: choices of whoever recovers, and
 * secrets. A runbook names these variables and never holds a value of one.
 */

interface Variable {
  /** What it holds */
  readonly what: string;
  /** Whether it gives access: then it stays out of files, tickets and chats */
  readonly secret: boolean;
}

export const variables = {
  PRODUCTION_URL: {
    what: 'the connection string of the database in use, of the session pooler (port 5432)',
    secret: true,
  },
  NEW_URL: { what: 'the connection string of a new, empty project or database', secret: true },
  TABLE: {
    what: 'the table that was lost or spoilt, written as in the [list of tables](#tables)',
    secret: false,
  },
  BEFORE: { what: 'a time just before the mistake, in UTC: `2026-11-20T14:29:59Z`', secret: false },
  SAFETY_ID: { what: 'the id of the safety backup that the restore prints', secret: false },
  COPY: { what: 'where the second copy of the storage is: a folder, or `s3://bucket/prefix`', secret: false },
  NEW_STORAGE: { what: 'where backups go from now on: a folder, or `s3://bucket/prefix`', secret: false },
  SUPABASE_BACKUP_ENCRYPTION_IDENTITY: {
    what: 'the age identity that opens the backups, `AGE-SECRET-KEY-1…`; read by the program itself',
    secret: true,
  },
  SUPABASE_BACKUP_REPOSITORY_KEY: {
    what: 'the key of the repository, 64 hexadecimal digits; read by the program itself',
    secret: true,
  },
  AWS_ACCESS_KEY_ID: { what: 'the id of a key to the storage; read by the program itself', secret: true },
  AWS_SECRET_ACCESS_KEY: { what: 'the key to the storage; read by the program itself', secret: true },
  SUPABASE_BACKUP_GITHUB_TOKEN: {
    what: 'a token that may read artifacts (`actions: read`); read by the program itself',
    secret: true,
  },
} as const satisfies Record<string, Variable>;

export type VariableName = keyof typeof variables;
