import type { Manifest } from '../../format/manifest.ts';
import type { GateInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Migrations } from '../../migrations/changed.ts';
import type { Finding } from '../../migrations/destructive.ts';
import { formatCounted } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { Ages, JudgedLimit } from '../../repository/backups/freshness.ts';
import { describeBackup } from '../backup/report.ts';
import type { BackupResult } from '../backup/result.ts';
import { describeLimits, tellAges } from '../sections/limits.ts';
import { describeNotCarried } from '../sections/omissions.ts';
import type { Decision } from './decision.ts';

export interface GateResult {
  readonly inputs: GateInputs;
  readonly decision: Decision;
  /** The backup that was taken */
  readonly taken: BackupResult | undefined;
  /** Of the backup to go back to */
  readonly manifest: Manifest | undefined;
  readonly pinned: boolean;
  readonly migrations: Migrations;
  /** With the backup that was taken */
  readonly ages: Ages;
  readonly judged: readonly JudgedLimit[];
  /** milliseconds */
  readonly elapsed: number;
}

export function describeGate(result: GateResult): Outcome {
  const { taken, manifest, migrations, ages, judged, elapsed } = result;
  const decision = findVerdict(result);
  const destructive =
    migrations.kind === 'looked-at' ? JSON.stringify(migrations.destructive.map(({ path }) => path)) : '';
  return {
    exitCode: decision.kind === 'stop' ? 3 : 0,
    outputs: {
      'backup-id': manifest?.id ?? '',
      gate: verdicts[decision.kind].output,
      destructive,
      ...tellAges(ages),
      'duration-seconds': Math.round(elapsed / 100) / 10,
    },
    report: [
      { kind: 'heading', text: `Gate: ${verdicts[decision.kind].title}` },
      ...describeVerdict(decision),
      describeLimits(judged),
      ...describeMigrations(migrations),
      ...(manifest === undefined ? [] : describeWayBack(manifest, result)),
      ...(taken === undefined
        ? manifest === undefined
          ? []
          : describeNotCarried(manifest)
        : describeBackup(taken).report),
    ],
  };
}

const verdicts = {
  pass: { output: 'passed', title: 'PASSED' },
  'back-up': { output: 'backed-up', title: 'PASSED, with a backup that was taken for it' },
  stop: { output: 'stopped', title: 'STOPPED' },
} as const;

/** A backup that was stored and yet found something wrong is no yes. */
function findVerdict({ decision, taken }: GateResult): Decision {
  if (taken === undefined || taken.plan.mismatches.length === 0) return decision;
  const what = 'the backup was stored, but a check on it found that those before it cannot be trusted';
  return {
    kind: 'stop',
    missing: [{ what, remedy: 'See below what differs, and look after it before a release.' }],
  };
}

function describeVerdict(decision: Decision): Section[] {
  switch (decision.kind) {
    case 'pass':
      return [
        { kind: 'paragraph', text: 'There is a backup to go back to, as fresh and as proven as was asked.' },
      ];
    case 'back-up':
      return [{ kind: 'paragraph', text: `A backup was taken, because ${decision.why.join(', and ')}.` }];
    case 'stop':
      return [
        {
          kind: 'table',
          columns: [{ title: 'what is missing' }, { title: 'what to do' }],
          rows: decision.missing.map(({ what, remedy }) => [what, remedy]),
        },
      ];
  }
}

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
            columns: [{ title: 'where' }, { title: 'what' }, { title: 'command' }, { title: '' }],
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

/** How to undo the release. The words that confirm it are for a person to type. */
function describeWayBack({ id, source, encryption, label }: Manifest, result: GateResult): Section[] {
  const { storage, s3Endpoint, s3Region, s3Addressing = 'auto' } = result.inputs;
  const words = [
    'supabase-backup restore',
    `--storage ${quote(storage)}`,
    ...(s3Endpoint === undefined ? [] : [`--s3-endpoint ${quote(s3Endpoint)}`]),
    ...(s3Region === undefined ? [] : [`--s3-region ${quote(s3Region)}`]),
    ...(s3Addressing === 'auto' ? [] : [`--s3-addressing ${s3Addressing}`]),
    `--backup-id ${id}`,
    '--clean',
  ];
  const secrets = [
    'SUPABASE_BACKUP_TARGET_URL',
    ...(encryption.scheme === 'age' ? ['SUPABASE_BACKUP_ENCRYPTION_IDENTITY'] : []),
    ...(result.inputs.repositoryKey === undefined ? [] : ['SUPABASE_BACKUP_REPOSITORY_KEY']),
  ];
  const facts = [
    `of ${source.snapshotAt}`,
    ...(label === null ? [] : [`"${label}"`]),
    ...(result.pinned ? ['pinned'] : []),
  ];
  return [
    {
      kind: 'paragraph',
      text:
        `To go back: backup ${id} (${facts.join(', ')}). Set ${secrets.join(', ')}, run this with --dry-run first, ` +
        'and then with --confirm and the words that it asks for:',
    },
    { kind: 'paragraph', text: words.join(' ') },
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

function needsPin({ decision, migrations, pinned }: GateResult): boolean {
  return (
    decision.kind === 'pass' &&
    migrations.kind === 'looked-at' &&
    migrations.destructive.length > 0 &&
    !pinned
  );
}

/** For a POSIX shell. */
function quote(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
