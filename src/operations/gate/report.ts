import type { Outcome } from '../../interface/outcome.ts';
import type { Migrations } from '../../migrations/changed.ts';
import type { Finding } from '../../migrations/destructive.ts';
import { formatAge, formatCounted } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { JudgedLimit } from '../../repository/backups/freshness.ts';
import type { CopyOutcome } from '../../repository/copies/outcome.ts';
import { quoteForShell } from '../../values/shell-word.ts';
import { describeCopies, tellCopies } from '../sections/copies.ts';
import { describeLimits, tellAges } from '../sections/limits.ts';
import { describeNotCarried } from '../sections/omissions.ts';
import { describeTakenBackup, tellTakenBackup } from '../sections/taken-backup.ts';
import type { GateResult, Missing, Staleness } from './result.ts';

/** @param copies what became of each, where a backup was taken and is copied */
export function describeGate(result: GateResult, copies: readonly CopyOutcome[] = []): Outcome {
  const { verdict, wayBack, migrations, ages, judged, elapsed } = result;
  const destructive =
    migrations.kind === 'looked-at' ? JSON.stringify(migrations.destructive.map(({ path }) => path)) : '';
  return {
    exitCode: verdict.kind === 'stop' ? 3 : 0,
    found:
      verdict.kind === 'stop'
        ? verdict.missing.map((one) => describeMissing(one, judged)[0]).join('; ')
        : undefined,
    outputs: {
      'backup-id': wayBack?.manifest.id ?? '',
      gate: verdicts[verdict.kind].output,
      destructive,
      ...tellAges(ages),
      'duration-seconds': Math.round(elapsed / 100) / 10,
      ...(copies.length === 0 ? {} : { copies: tellCopies(copies) }),
    },
    ...(result.taken === undefined ? {} : { taken: tellTakenBackup(result.taken) }),
    report: [
      {
        kind: 'heading',
        text: `Gate${nameDatabase(result)}: ${verdicts[verdict.kind].title}`,
        tone: verdict.kind === 'stop' ? 'bad' : 'good',
      },
      ...describeVerdict(result),
      ...(judged.length === 0 ? [] : [describeLimits(judged)]),
      ...describeMigrations(migrations),
      ...describeWayBack(result),
      ...describeGround(result),
      ...describeCopies(copies),
    ],
  };
}

/** Describes the backup that was taken, or what the existing one does not carry. */
function describeGround({ taken, wayBack }: GateResult): Section[] {
  if (taken !== undefined) return describeTakenBackup(taken);
  return wayBack === undefined ? [] : describeNotCarried(wayBack.manifest);
}

const verdicts = {
  pass: { output: 'passed', title: 'PASSED' },
  'back-up': { output: 'backed-up', title: 'PASSED, with a backup that was taken for it' },
  stop: { output: 'stopped', title: 'STOPPED' },
} as const;

function nameDatabase({ wayBack }: GateResult): string {
  return wayBack === undefined ? '' : ` of ${wayBack.manifest.source.database}`;
}

function describeVerdict({ verdict, judged, judgedBefore, wayBack, ages }: GateResult): Section[] {
  switch (verdict.kind) {
    case 'pass': {
      const age = ages.newest === undefined ? '' : `, ${formatAge(ages.newest)} old`;
      const backup = wayBack === undefined ? 'a backup' : `backup ${wayBack.manifest.id}${age},`;
      return [
        {
          kind: 'paragraph',
          text: `You can go back to ${backup} as fresh and as proven as was asked.`,
        },
      ];
    }
    case 'back-up':
      return [
        {
          kind: 'paragraph',
          text: `A backup was taken, because ${verdict.why.map((why) => tellStaleness(why, judgedBefore)).join(', and ')}.`,
        },
      ];
    case 'stop':
      return [
        {
          kind: 'table',
          columns: [{ title: 'what is missing' }, { title: 'what to do' }],
          rows: verdict.missing.map((missing) => describeMissing(missing, judged)),
        },
      ];
  }
}

/** The limit, and what was found instead of it, as in `verified-within (7 d): the last was 9 d ago` */
function tellLimit(name: JudgedLimit['input'], judged: readonly JudgedLimit[], last: string): string {
  const found = judged.find(({ input }) => input === name);
  if (found === undefined) return name;
  const { limit, age } = found;
  const is = age === undefined ? 'there was none' : `${last} ${formatAge(age)}`;
  return `${name} (${formatAge(limit)}): ${is}${age === undefined || name === 'max-age' ? '' : ' ago'}`;
}

function tellStaleness(why: Staleness, judged: readonly JudgedLimit[]): string {
  return why === 'old-backup'
    ? `the newest backup is older than ${tellLimit('max-age', judged, 'its age is')}`
    : staleness[why];
}

const staleness: Readonly<Record<Exclude<Staleness, 'old-backup'>, string>> = {
  'no-backup': 'there is no backup to go back to',
  unguarded: 'a migration destroys data, and there is no backup of the last 15 minutes to go back to',
};

/** Returns what is missing, and what to do about it. */
function describeMissing(missing: Missing, judged: readonly JudgedLimit[]): [string, string] {
  switch (missing.kind) {
    case 'unseen-migrations':
      return [`the migrations could not be looked at: ${missing.why}`, missing.remedy];
    case 'unseen-file':
      return [`${missing.path} could not be looked at: it is ${missing.why}`, missing.remedy];
    case 'unproven':
      return [
        `${proofs[missing.limit].what} ${tellLimit(missing.limit, judged, 'the last was')}`,
        proofs[missing.limit].remedy,
      ];
    case 'stale':
      return [tellStaleness(missing.why, judged), staleRemedies[missing.onStale]];
    case 'doubted':
      return [
        'the backup was stored, but a check on it found that those before it cannot be trusted',
        'See below what differs, and look after it before a release.',
      ];
  }
}

const proofs: Readonly<
  Record<Extract<Missing, { kind: 'unproven' }>['limit'], { readonly what: string; readonly remedy: string }>
> = {
  'verified-within': {
    what: 'no backup was verified within',
    remedy: 'Run `validate` with the default share, which reads all of it, or `drill`.',
  },
  'drilled-within': {
    what: 'no drill has passed within',
    remedy: 'Run `drill`; if the last one failed, find out why.',
  },
};

const staleRemedies: Readonly<Record<Extract<Missing, { kind: 'stale' }>['onStale'], string>> = {
  backup: 'The gate takes one once nothing else is missing.',
  stop: 'Run `backup`, or set on-stale to backup.',
};

const places: Readonly<Record<NonNullable<Finding['inside']>, string>> = {
  do: 'in a DO block',
  function: 'inside a function, so only when it is called',
};

function describeMigrations(migrations: Migrations): Section[] {
  if (migrations.kind !== 'looked-at') {
    return [{ kind: 'paragraph', text: `The migrations were not looked at: ${migrations.why}.` }];
  }
  const { base, files, destructive, passedOver } = migrations;
  const since = `${formatCounted(files.length, 'SQL migration')} since ${base}`;
  return [
    {
      kind: 'paragraph',
      text:
        destructive.length === 0
          ? `${since}; nothing was found in them that destroys data.`
          : `${since}, of which ${destructive.length === 1 ? '1 destroys' : `${destructive.length} destroy`} data, or may:`,
    },
    ...(destructive.length === 0
      ? []
      : [
          {
            kind: 'table' as const,
            columns: [
              { title: 'where', code: true },
              { title: 'what' },
              { title: 'command', code: true },
              { title: 'inside of' },
            ],
            rows: destructive.flatMap(({ path, findings }) =>
              findings.map(({ line, what, words, inside }) => [
                `${path}:${line}`,
                what,
                words,
                inside === null ? '' : places[inside],
              ]),
            ),
          },
        ]),
    ...(passedOver.length === 0
      ? []
      : [
          {
            kind: 'table' as const,
            columns: [{ title: 'not looked at' }, { title: 'why' }],
            rows: passedOver.map(({ path, why }) => [path, why]),
          },
        ]),
  ];
}

/** Describes how to undo the release. The words that confirm the restore are left for a person to type. */
function describeWayBack(result: GateResult): Section[] {
  if (result.wayBack === undefined) return [];
  const { manifest, pinned, place, needsKey } = result.wayBack;
  const { id, source, encryption, label } = manifest;
  const { storage, s3Endpoint, s3Region, s3Addressing = 'auto' } = place;
  const words = [
    'supabase-backup restore',
    `--storage ${quoteForShell(storage)}`,
    ...(s3Endpoint === undefined ? [] : [`--s3-endpoint ${quoteForShell(s3Endpoint)}`]),
    ...(s3Region === undefined ? [] : [`--s3-region ${quoteForShell(s3Region)}`]),
    ...(s3Addressing === 'auto' ? [] : [`--s3-addressing ${s3Addressing}`]),
    `--backup-id ${id}`,
    '--clean',
  ];
  const secrets = [
    'SUPABASE_BACKUP_TARGET_URL',
    ...(encryption.scheme === 'age' ? ['SUPABASE_BACKUP_ENCRYPTION_IDENTITY'] : []),
    ...(needsKey ? ['SUPABASE_BACKUP_REPOSITORY_KEY'] : []),
  ];
  const facts = [
    `of ${source.snapshotAt}`,
    ...(label === null ? [] : [`"${label}"`]),
    ...(pinned ? ['pinned'] : []),
  ];
  return [
    {
      kind: 'paragraph',
      text:
        `To go back: backup ${id} (${facts.join(', ')}). Set ${secrets.join(', ')}, run this with --dry-run first, ` +
        'and then with --confirm and the words that it asks for:',
    },
    { kind: 'code', language: 'sh', text: words.join(' ') },
    ...(needsPin(result)
      ? [
          {
            kind: 'paragraph' as const,
            text: `It is not pinned: \`supabase-backup pin --backup-id ${id}\` keeps it for as long as the release may be undone.`,
          },
        ]
      : []),
  ];
}

function needsPin({ verdict, migrations, wayBack }: GateResult): boolean {
  return (
    verdict.kind === 'pass' &&
    migrations.kind === 'looked-at' &&
    migrations.destructive.length > 0 &&
    !wayBack?.pinned
  );
}
