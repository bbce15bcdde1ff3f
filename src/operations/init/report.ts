import type { Outcome } from '../../interface/outcome.ts';
import { formatBytes, formatCount, formatCounted } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { ArtifactUse, SecretToSet, SetUp } from './result.ts';

export function describeSetUp(done: SetUp): Outcome {
  const { workflows, key } = done;
  const count = workflows.filter(({ state }) => state !== 'remove').length;
  const made = [`the policy`, formatCounted(count, 'workflow'), ...(key === undefined ? [] : ['a key'])];
  const words = `${made.slice(0, -1).join(', ')} and ${made.at(-1)}`;
  return {
    exitCode: 0,
    outputs: {
      workflows: count,
      recipient: key?.recipient ?? '',
      'key-file': key?.keyFile ?? '',
      'recovery-sheet': key?.recoverySheet ?? '',
    },
    report: [
      {
        kind: 'heading',
        text: done.isDryRun ? `Dry run: ${words} would be written` : `Written: ${words}`,
        tone: 'good',
      },
      describeFiles(done),
      ...(done.isDryRun ? [{ kind: 'code' as const, language: 'yaml' as const, text: done.policyText }] : []),
      ...describeKey(done),
      { kind: 'heading', text: 'What is left to do' },
      { kind: 'code', language: 'sh', text: renderSteps(done) },
      { kind: 'heading', text: 'What it takes' },
      ...describeCosts(done),
    ],
  };
}

function describeFiles({ policy, workflows, key, isDryRun }: SetUp): Section {
  const states = {
    create: isDryRun ? 'would be new' : 'new',
    update: 'changed',
    same: 'there',
    remove: 'removed',
  };
  return {
    kind: 'table',
    columns: [{ title: 'file', code: true }, { title: 'state' }, { title: 'what' }],
    rows: [
      [policy, states.create, 'the policy: edit it, and run `supabase-backup schedule`'],
      ...workflows.map(({ file, state }) => [file, states[state], 'workflow']),
      ...(key === undefined
        ? []
        : [
            [key.keyFile, states.create, 'the key that opens the backups'],
            [key.recoverySheet, states.create, 'the recovery sheet: print it'],
          ]),
    ],
  };
}

function describeKey({ key }: SetUp): Section[] {
  if (key === undefined) return [];
  const text =
    'Nobody can read a backup without that key: not we, and not Supabase. Print the recovery sheet or put it into a password manager, keep it ' +
    'apart from the backups, and then delete the file.';
  return [{ kind: 'paragraph', text }];
}

/** The commands in their order. None has a secret in its arguments: `gh` asks for it, or reads a file. */
function renderSteps({ policy, secrets, artifacts }: SetUp): string {
  const lines = secrets.map((secret): [string, string] => [commandOf(secret), purposeOf(secret)]);
  const width = Math.max(...lines.map(([command]) => command.length).filter((length) => length < 50));
  const folder = policy.split(/[\\/]/).slice(0, -1).join('/') || '.';
  return [
    ...lines.map(([command, purpose]) => `${command.padEnd(width)}  # ${purpose}`),
    `git add ${shellWord(folder)} && git commit -m 'Database backups' && git push`,
    ...(artifacts === undefined ? [] : ['# on the default branch: artifacts of other branches do not count']),
    'gh workflow run supabase-backup.yml  # the first backup; look at its summary',
    'gh workflow run supabase-backup-drill.yml  # the proof that it restores',
  ].join('\n');
}

function commandOf({ name, purpose }: SecretToSet): string {
  if (purpose.kind !== 'identity') return `gh secret set ${name}`;
  return `gh secret set ${name} < ${shellWord(purpose.file ?? 'identity.txt')}`;
}

function purposeOf({ purpose }: SecretToSet): string {
  switch (purpose.kind) {
    case 'database': {
      const page =
        purpose.projectRef && `https://supabase.com/dashboard/project/${purpose.projectRef}?showConnect=true`;
      return `${purpose.database}: Connect → Session pooler, with its password percent-encoded${page ? `: ${page}` : ''}`;
    }
    case 'identity':
      return 'the key, for drills and restores alone';
    case 'storage':
      return 'of the bucket';
    case 'platform':
      return "if you like: tells Supabase's own backups beside these (docs/managed.md)";
    case 'channel':
      return {
        webhook: 'the address of the webhook',
        slack: "the address of Slack's incoming webhook",
        mail: 'smtps://user:password@host:465',
        heartbeat: 'the address that the watch calls when all is well',
      }[purpose.channel];
  }
}

function shellWord(text: string): string {
  return /^[\w./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** GitHub's plans: minutes a month for private repositories, and bytes for artifacts (docs.github.com, billing of Actions) */
const plans = [
  { name: 'Free', minutes: 2000, artifactBytes: 500e6 },
  { name: 'Pro', minutes: 3000, artifactBytes: 1e9 },
  { name: 'Team', minutes: 3000, artifactBytes: 2e9 },
  { name: 'Enterprise', minutes: 50_000, artifactBytes: 50e9 },
] as const;

function describeCosts({ minutes, artifacts }: SetUp): Section[] {
  if (minutes === undefined) {
    const text =
      'Runners of your own: GitHub bills no minutes. The runner needs the folder of the storage on a disk that stays.';
    return [{ kind: 'paragraph', text }];
  }
  return [
    {
      kind: 'table',
      columns: [
        { title: "GitHub's plan" },
        { title: 'minutes a month', align: 'right' },
        { title: 'these schedules', align: 'right' },
        { title: 'which' },
        ...(artifacts === undefined
          ? []
          : [
              { title: 'artifacts', align: 'right' as const },
              { title: 'repository at most', align: 'right' as const },
            ]),
      ],
      rows: plans.map(({ name, minutes: free, artifactBytes }) => [
        name,
        formatCount(free),
        formatCount(minutes),
        minutes <= free ? 'fits' : 'TOO MANY',
        ...(artifacts === undefined
          ? []
          : [
              formatBytes(artifactBytes),
              formatBytes(Math.floor(artifactBytes / Math.max(1, artifacts.kept))),
            ]),
      ]),
    },
    {
      kind: 'paragraph',
      text:
        'Minutes are those of private repositories, each job rounded up, of assumed durations until runs were measured: `supabase-backup schedule` with a ' +
        'github-token tells. Public repositories pay none. When minutes are used up, no backup runs.',
    },
    ...(artifacts === undefined ? [] : [describeArtifacts(artifacts)]),
  ];
}

function describeArtifacts({ kept, days }: ArtifactUse): Section {
  const text =
    `Each run that writes stores the whole repository as an artifact for ${days} days: up to ${formatCount(kept)} are kept at once, and share the quota with ` +
    'all other artifacts of the account. When it is full, backups fail; an s3:// storage has no such limit, and outlives the repository on GitHub.';
  return { kind: 'paragraph', text };
}
