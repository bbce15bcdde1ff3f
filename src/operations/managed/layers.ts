import { partNames } from '../../interface/findings/managed-tellings.ts';
import { tellPredictedTime } from '../../interface/findings/telling.ts';
import { type Fact, type FactName, factNames, readValue } from '../../management/facts.ts';
import { formatAge, formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { formatTime } from '../../report/time.ts';
import { type Choice, endsOf, type Loss, type Managed, type OwnLayer } from './result.ts';

/* Both layers for people: the same words wherever they are shown. */

const unmeasured = 'not measured';

/** The layers side by side, what the platform says of itself, and which of the two brings back what */
export function describeLayers(managed: Managed): Section[] {
  return [
    toTable(['', ...layerNames(managed)], compareLayers(managed)),
    toTable(["Supabase's own backups", ''], listFacts(managed)),
    ...(managed.choices === undefined
      ? []
      : [toTable(['to bring back', ...layerNames(managed), 'better'], listChoices(managed))]),
  ];
}

function toTable(titles: readonly string[], rows: readonly (readonly string[])[]): Section {
  return { kind: 'table', columns: titles.map((title) => ({ title })), rows };
}

export function layerNames({ own }: Managed): string[] {
  return own === undefined ? ['Supabase'] : ['Supabase', `repository ${own.location}`.trim()];
}

/** One row for each thing that both layers have: its name, and what each is */
export function compareLayers(managed: Managed): string[][] {
  const { own } = managed;
  return platformRows(managed).map(([title, platform, ofOwn]) =>
    own === undefined ? [title, platform] : [title, platform, ofOwn(own)],
  );
}

type Row = readonly [title: string, platform: string, own: (own: OwnLayer) => string];

function platformRows(managed: Managed): Row[] {
  const { platform, facts } = managed;
  const age = (time: Date) =>
    `${formatTime(time)} UTC, ${formatAge(Math.max(0, facts.at.getTime() - time.getTime()))} ago`;
  const maybe = (time: Date | undefined) => (time === undefined ? 'none' : age(time));
  const of = (show: (ends: { oldest: Date; newest: Date }) => string): string => {
    if (platform.kind === 'unread') return unmeasured;
    return platform.kind === 'none' ? 'none' : show(endsOf(platform));
  };
  return [
    ['kind', tellKind(managed), (own) => tellOwnKind(own)],
    ['newest point', of(({ newest }) => age(newest)), ({ newest }) => maybe(newest)],
    ['oldest point', of(({ oldest }) => age(oldest)), ({ oldest }) => maybe(oldest)],
    [
      'between them',
      of(() => (platform.kind === 'pitr' ? 'any second' : 'the times of the backups')),
      ({ isCaptured }) =>
        isCaptured ? 'times of backups, and what is captured' : 'the times of the backups',
    ],
    ['would be lost now', tellLoss(managed), ({ newest }) => tellOwnLoss(newest, facts.at)],
    ['a recovery takes', platform.kind === 'none' ? 'none' : unmeasured, tellRecovery],
  ];
}

function tellKind({ platform }: Managed): string {
  switch (platform.kind) {
    case 'unread':
      return unmeasured;
    case 'none':
      return 'nothing that can be restored';
    case 'daily':
      return `${formatCounted(platform.count, 'daily backup')} to go back to`;
    case 'pitr':
      return 'point-in-time recovery';
  }
}

function tellOwnKind({ backups, isCaptured }: OwnLayer): string {
  return `${formatCounted(backups, 'backup')} to go back to${isCaptured ? ', and captured changes' : ''}`;
}

/** Of an idle database the window ends at its last transaction: after it nothing would be lost. */
function tellLoss({ platform, facts, own }: Managed): string {
  if (platform.kind === 'unread') return unmeasured;
  if (platform.kind === 'none') return 'everything';
  const { newest } = endsOf(platform);
  const since = formatAge(Math.max(0, facts.at.getTime() - newest.getTime()));
  if (platform.kind === 'daily') return since;
  const isKnownIdle = own?.newestCommit !== undefined && own.newestCommit <= newest;
  return isKnownIdle ? 'nothing that captures have seen' : `at most ${since}`;
}

function tellOwnLoss(newest: Date | undefined, at: Date): string {
  return newest === undefined ? 'everything' : formatAge(Math.max(0, at.getTime() - newest.getTime()));
}

function tellRecovery({ recovery }: OwnLayer): string {
  switch (recovery.kind) {
    case 'measured':
      return `${formatDuration(recovery.milliseconds)}, measured by a drill`;
    case 'predicted':
      return `${unmeasured}; predicted: ${tellPredictedTime(recovery.prediction)}`;
    case 'unmeasured':
      return unmeasured;
  }
}

/** What the platform says of the project and its plan, a row for each part */
export function listFacts({ facts, platform }: Managed): string[][] {
  const later = platform.kind === 'daily' ? platform.later : [];
  const days = (count: number) => formatCounted(count, 'day');
  const project = readValue(facts.project);
  const rows: Readonly<Record<FactName, string>> = {
    project: tell(facts.project, ({ name, region }) =>
      [facts.ref, ...(name === undefined ? [] : [name]), ...(region === undefined ? [] : [region])].join(
        ', ',
      ),
    ),
    backups: tell(facts.backups, ({ backups, isPitr }) =>
      [
        isPitr === true ? 'point-in-time recovery is on' : 'point-in-time recovery is off',
        `${formatCounted(backups.length, 'backup')} listed`,
        ...later.map(({ status, at }) => `${status} ${formatTime(at)} UTC`),
      ].join('; '),
    ),
    schedule: tell(facts.schedule, (time) => `${time} UTC`),
    pitrDays: tell(facts.pitrDays, (count) => (count === null ? 'none' : days(count))),
    plan: tell(facts.plan, (plan) => plan),
    entitlements: tell(facts.entitlements, ({ retentionDays, isCloneable }) =>
      [
        retentionDays === undefined
          ? `retention ${unmeasured}`
          : retentionDays === 0
            ? 'no backups that can be restored'
            : `backups of ${days(retentionDays)}`,
        ...(isCloneable === undefined
          ? []
          : [`restore into a new project: ${isCloneable ? 'in the dashboard' : 'no'}`]),
      ].join('; '),
    ),
  };
  return [
    ...factNames.slice(0, 1).map((name) => [titles[name], rows[name]]),
    ['state of the project', project?.status ?? tell(facts.project, ({ status }) => status)],
    ...factNames.slice(1).map((name) => [titles[name], rows[name]]),
  ];
}

const titles: Readonly<Record<FactName, string>> = {
  project: 'project',
  backups: 'backups',
  schedule: 'time of the daily backup',
  pitrDays: 'add-on for point-in-time recovery',
  plan: 'plan',
  entitlements: 'the plan includes',
};

function tell<Value>(fact: Fact<Value>, show: (value: Value) => string): string {
  if (fact.kind === 'read') return show(fact.value);
  if (fact.kind === 'unasked') return `${unmeasured}: ${partNames.project} was not read`;
  const { reason, details } = fact.failure;
  switch (reason) {
    case 'entitlement':
      return `${unmeasured}: the plan does not have ${details.feature ?? 'it'} (402)`;
    case 'forbidden':
      return `${unmeasured}: the token lacks ${details.missing.length > 0 ? details.missing.join(', ') : 'a permission'} (403)`;
    case 'unauthorized':
      return `${unmeasured}: the token is not known, or not any more (401)`;
    case 'missing':
      return `${unmeasured}: there is none for this token (404)`;
    case 'limited':
      return `${unmeasured}: too many requests (429)`;
    case 'failed':
    case 'refused':
      return `${unmeasured}: the Management API said ${details.status}`;
    case 'silent':
      return `${unmeasured}: the Management API did not answer`;
    case 'foreign':
      return `${unmeasured}: the answer was about another project`;
    case 'future':
      return `${unmeasured}: the answer has a time that has not come`;
    case 'unclear':
      return `${unmeasured}: the answer was another than expected`;
  }
}

const losses: Readonly<Record<Loss, string>> = {
  'newest-point': 'the newest state there is',
  'older-point': 'the oldest state there is',
  'whole-project': 'all of a project that is still there',
  part: 'a table, or rows beside the live ones',
  'deleted-project': 'a project that was deleted, or into another place',
};

/** Which layer brings back what: the loss, what each layer can with its loss and its time, and the better one */
export function listChoices(managed: Managed): string[][] {
  const { own, choices } = managed;
  const [platformWays, ownWays] = [tellPlatformWays(managed), own && tellOwnWays(own, managed.facts.at)];
  return (choices ?? []).map(({ loss, better }) => [
    losses[loss],
    platformWays[loss],
    ownWays?.[loss] ?? unmeasured,
    betterNames[better],
  ]);
}

type Ways = Readonly<Record<Loss, string>>;

function tellPlatformWays(managed: Managed): Ways {
  const { platform } = managed;
  const always = { part: 'no', 'deleted-project': 'no: they go with the project' };
  if (platform.kind === 'unread' || platform.kind === 'none') {
    const none = platform.kind === 'none' ? 'no' : unmeasured;
    return { ...always, 'newest-point': none, 'older-point': none, 'whole-project': none };
  }
  return {
    ...always,
    'newest-point': `loses ${tellLoss(managed)}`,
    'older-point': `of ${formatTime(endsOf(platform).oldest)} UTC`,
    'whole-project': `in place, down meanwhile; time ${unmeasured}`,
  };
}

function tellOwnWays(own: OwnLayer, at: Date): Ways {
  const { newest, oldest } = own;
  if (newest === undefined || oldest === undefined) {
    const no = 'no';
    return {
      ...{ 'newest-point': no, 'older-point': no, 'whole-project': no },
      ...{ part: no, 'deleted-project': no },
    };
  }
  const takes = tellRecovery(own);
  return {
    'newest-point': `loses ${tellOwnLoss(newest, at)}`,
    'older-point': `of ${formatTime(oldest)} UTC`,
    'whole-project': `its database; takes: ${takes}`,
    part: 'yes',
    'deleted-project': `its database; takes: ${takes}`,
  };
}

const betterNames: Readonly<Record<Choice['better'], string>> = {
  platform: 'Supabase',
  repository: 'the repository',
  both: 'either',
  neither: 'none',
  'not measured': unmeasured,
};
