import { quoteIdentifier } from '../../../postgres/identifier.ts';
import { formatAge, formatCount, formatCounted, formatDuration } from '../../../report/quantity.ts';
import { formatTimeWithZone } from '../../../report/time.ts';
import { formatWindow } from '../../../repository/changes/windows.ts';
import { quoteForShell } from '../../../values/shell-word.ts';
import { findEnds } from '../../managed/result.ts';
import type { RunbookFacts } from './facts.ts';
import { code, listItems, type Markdown, md, stack, table } from './markdown.ts';
import { type VariableName, variables } from './variables.ts';

/** What whoever recovers has to know before anything else */
export function renderHeader(facts: RunbookFacts): Markdown {
  const { database, at, version } = facts;
  return stack(
    md`# Runbook: ${database}`,
    md`Generated on **${formatTimeWithZone(at)}** by supabase-backup ${version}, from the policy, the repository and its records. What came later is not in it.`,
    describeState(facts),
    md`Read from top to bottom. Commands are for a POSIX shell, in one terminal, and are run as they stand; nothing has to be filled in but the variables below. In what is expected, \`…\` stands for what is different each time, and alone in a line for any number of lines.`,
  );
}

function describeState(facts: RunbookFacts): Markdown {
  const { backups, verified, drilled, windows, location, gap } = facts;
  const [newest] = backups;
  const [window] = windows;
  return table(
    ['', ''],
    [
      ['storage', code(location)],
      [
        'newest backup',
        newest === undefined
          ? md`**none: nothing can be recovered yet**`
          : md`${code(newest.id)}, of ${formatTimeWithZone(newest.at)}`,
      ],
      [
        'newest verified backup',
        verified === undefined
          ? 'none was read back whole'
          : md`${code(verified.id)}, on ${formatTimeWithZone(verified.at)}`,
      ],
      [
        'any point in time',
        window === undefined
          ? 'no: only the times of backups'
          : `${formatWindow(window)}${windows.length > 1 ? `, and ${formatCounted(windows.length - 1, 'older stretch', 'older stretches')}` : ''}`,
      ],
      [
        'lost at worst',
        gap === undefined
          ? 'everything'
          : `${formatAge(gap)}: the longest stretch of the last 7 days without a point to go back to, measured`,
      ],
      [
        'last proven drill',
        drilled === undefined
          ? md`none passed: **recovery is not proven**`
          : md`${code(drilled.id)}, on ${formatTimeWithZone(drilled.at)}, ${describeRecovery(facts)}`,
      ],
      ['encryption', describeEncryption(facts)],
      ...(facts.platform === undefined
        ? []
        : [["Supabase's own backups", tellPlatform(facts.platform)] as const]),
    ],
  );
}

/** Says what the platform can restore by itself, and what is wrong with that. */
function tellPlatform({ layer, findings }: NonNullable<RunbookFacts['platform']>): string {
  const ends = findEnds(layer);
  const times = ends && `${formatTimeWithZone(ends.oldest)} to ${formatTimeWithZone(ends.newest)}`;
  const what = {
    unread: 'not measured',
    none: 'none that can be restored',
    daily: `the times of daily backups, ${times}`,
    pitr: `any second, ${times}`,
  }[layer.kind];
  return [what, ...findings].join('; ');
}

function describeRecovery({ recovery }: RunbookFacts): string {
  return recovery.kind === 'measured'
    ? `back after ${formatDuration(recovery.milliseconds)}`
    : 'time not measured';
}

function describeEncryption({ encryption }: RunbookFacts): Markdown {
  switch (encryption.scheme) {
    case 'none':
      return md`none: no key is needed`;
    case 'unknown':
      return md`unknown, without a backup`;
    case 'age':
      return md`age, for ${{ markdown: encryption.recipients.map((recipient) => code(recipient).markdown).join(', ') }}. Every \`restore\`, \`drill\` and \`validate\` needs the identity of one of them in \`$SUPABASE_BACKUP_ENCRYPTION_IDENTITY\`; it is in no backup, and GitHub shows no secret again`;
  }
}

/** The variables that may stand in commands, and the tools that commands need. */
export function renderVariables(facts: RunbookFacts, used: ReadonlySet<VariableName>): Markdown {
  return stack(listVariableMeanings(facts, used), describeTools(facts));
}

/** What the variables hold, and where their values are kept. */
export function listVariableMeanings(facts: RunbookFacts, used: ReadonlySet<VariableName>): Markdown {
  const rows = (Object.keys(variables) as VariableName[])
    .filter((name) => used.has(name) || isReadByProgram(name, facts))
    .map((name) => {
      const { what, secret } = variables[name];
      return [code(`$${name}`), { markdown: what }, secret ? findKept(name, facts) : md`you choose it`];
    });
  return stack(
    md`## Variables`,
    md`Set those that the page names, with \`export NAME='value'\`. Secrets come from where your team keeps them: a secret of GitHub cannot be read back.`,
    table(['variable', 'what it holds', 'where it is'], rows),
  );
}

function isReadByProgram(name: VariableName, { encryption, keyHeld, place }: RunbookFacts): boolean {
  switch (name) {
    case 'SUPABASE_BACKUP_ENCRYPTION_IDENTITY':
      return encryption.scheme === 'age';
    case 'SUPABASE_BACKUP_REPOSITORY_KEY':
      return keyHeld === 'outside';
    case 'AWS_ACCESS_KEY_ID':
    case 'AWS_SECRET_ACCESS_KEY':
      return /^s3:/i.test(place.storage);
    case 'SUPABASE_BACKUP_GITHUB_TOKEN':
      return /^artifact:/i.test(place.storage);
    default:
      return false;
  }
}

function findKept(name: VariableName, { policy }: RunbookFacts): Markdown {
  const vault = md`the team's password manager`;
  if (policy === undefined) return vault;
  const { ofDatabase, ofIdentity } = policy.secretNames;
  const secret =
    name === 'PRODUCTION_URL'
      ? ofDatabase
      : name === 'SUPABASE_BACKUP_ENCRYPTION_IDENTITY'
        ? ofIdentity
        : undefined;
  return secret === undefined
    ? vault
    : md`the team's password manager; the workflows have it as secret ${code(secret)} of ${policy.repository}`;
}

function describeTools({ newest }: RunbookFacts): Markdown {
  const major = newest === undefined ? 'the major version of the server' : `version ${newest.serverMajor}`;
  return listItems([
    md`\`psql\`, \`pg_dump\` and \`pg_restore\` of ${major} or newer. \`psql\` shows its connection string in the list of processes while it runs: use a machine of your own.`,
    md`This program as \`supabase-backup\`: \`npm install --global\` of the file of a release, with Node 18 or newer (docs/install.md).`,
    md`Without this program: \`recover-by-hand.sh\` and docs/recover-by-hand.md, with \`psql\`, \`pg_restore\`, \`zstd\` and \`age\` alone.`,
    md`Lines that begin with \`warning:\`, \`Not brought:\` or \`NOTICE:\` are told once more by the report, or are harmless. \`error:\` ends a command, and the line below it says what to do.`,
    md`A restore into the database in use, and one into a new one as production, asks for the words \`RESTORE PRODUCTION\`; they stand in the commands. Whoever runs them answers for it.`,
  ]);
}

/** What commands may name: backups and tables */
export function renderLists({ backups, newest }: RunbookFacts): Markdown | undefined {
  if (newest === undefined) return undefined;
  return stack(
    md`## Backups`,
    md`Never \`latest\` after a mistake: a backup that was taken since has the mistake in it.`,
    table(
      ['id', 'of', 'kind', 'rows', 'read back whole'],
      backups.map(({ id, at, kind, rows, verifiedAt }) => [
        code(id),
        formatTimeWithZone(at),
        kind,
        formatCount(rows),
        verifiedAt === null ? 'no' : formatTimeWithZone(verifiedAt),
      ]),
    ),
    md`## Tables`,
    md`Those with most rows in ${code(newest.id)}, as \`$TABLE\` is to be set:`,
    table(
      ['rows', 'set'],
      newest.tables.map(({ schema, name, rows }) => [
        formatCount(rows),
        code(`export TABLE=${quoteForShell(nameTable(schema, name))}`),
      ]),
    ),
    md`## Not carried`,
    md`No backup has these:`,
    table(
      ['what', 'why', 'what to do'],
      newest.notCarried.map(({ what, why, remedy }) => [what, why, remedy]),
    ),
  );
}

/** Writes a name so that both SQL and `--include` read it. */
function nameTable(schema: string, name: string): string {
  const plain = /^[a-z_][a-z0-9_]*$/;
  return [schema, name].map((part) => (plain.test(part) ? part : quoteIdentifier(part))).join('.');
}
