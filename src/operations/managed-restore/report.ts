import type { Outcome } from '../../interface/outcome.ts';
import { formatAge, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { formatSecond, formatTimeWithZone } from '../../report/time.ts';
import { say, type Wording } from '../../runtime/wording.ts';
import type { EndedRestore, Ending, ManagedRestoreResult, PlannedRestore } from './result.ts';
import { isDone } from './result.ts';

export function describeManagedRestore(result: ManagedRestoreResult): Outcome {
  const { ref, window, elapsed } = result;
  const common = {
    'project-ref': ref,
    'managed-from': window?.from.toISOString() ?? '',
    'managed-to': window?.to.toISOString() ?? '',
    'duration-seconds': Math.round(elapsed / 100) / 10,
  };
  return result.kind === 'planned' ? describePlan(result, common) : describeEnd(result, common);
}

function describePlan(plan: PlannedRestore, common: Outcome['outputs']): Outcome {
  const { ref, target, refusals, isUnderWay, status } = plan;
  const title = `Dry run: ${ref} to ${formatSecond(target)} by Supabase`;
  const underWay =
    'It is under way, or was asked for before: a run waits for the project, and asks for nothing.';
  return {
    exitCode: 0,
    outputs: {
      ...common,
      ...{ 'managed-restore': 'planned', 'project-status': status, 'recovered-to': '' },
      ...{ 'safety-backup-id': '', 'backup-id': '' },
    },
    report: [
      { kind: 'heading', text: title, tone: refusals.length === 0 ? 'good' : 'warning' },
      ...(isUnderWay ? [paragraph(underWay)] : describeSteps(plan)),
      ...refusals.map(({ told }) => paragraph(say`Missing: ${told.message}. ${told.next}`)),
      ...describeConsequences(plan),
    ],
  };
}

function describeSteps(plan: PlannedRestore): Section[] {
  const { window, database, takesSafetyBackup, takesBase, status } = plan;
  const yes = (is: boolean, what: string) => (is ? what : 'no: target-url is not given');
  return [
    {
      kind: 'table',
      columns: [{ title: 'step' }, { title: 'state' }],
      rows: [
        ['project', status],
        [
          'window',
          window === undefined
            ? 'none: point-in-time recovery is not on'
            : `${formatSecond(window.from)} to ${formatSecond(window.to)}`,
        ],
        [
          'safety backup',
          takesSafetyBackup ? 'taken before, and pinned' : yes(takesBase, 'none: safety-backup is false'),
        ],
        [
          'slot of captures',
          database === undefined
            ? 'not looked at: the database was not given, or not reached'
            : database.slot === null
              ? 'there is none'
              : `${database.slot} is dropped before`,
        ],
        ['restore', 'asked for once'],
        ['new base', yes(takesBase, 'a full backup, taken when the project is back')],
      ],
    },
  ];
}

const paragraph = (text: string | Wording): Section => ({ kind: 'paragraph', text });

function describeEnd(result: EndedRestore, common: Outcome['outputs']): Outcome {
  const { ref, target, ending, base, safetyBackup } = result;
  const [title, told] = [titles[ending.kind], tellEnding(ending, result)];
  const isFine = isDone(result);
  return {
    exitCode: isFine ? 0 : 3,
    found: isFine ? undefined : told,
    outputs: {
      ...common,
      'managed-restore': ending.kind,
      'project-status': ending.kind === 'back' ? 'ACTIVE_HEALTHY' : (ending.status ?? ''),
      'recovered-to': ending.kind === 'back' ? target.toISOString() : '',
      'safety-backup-id': safetyBackup ?? '',
      'backup-id': base.kind === 'taken' ? base.id : '',
    },
    report: [
      {
        kind: 'heading',
        text: `${ref} to ${formatSecond(target)} by Supabase: ${title}`,
        tone: isFine ? 'good' : 'bad',
      },
      paragraph(told),
      ...describeDone(result),
      ...describeBase(result),
      ...describeConsequences(result),
    ],
  };
}

const titles: Readonly<Record<Ending['kind'], string>> = {
  back: 'BACK',
  unconfirmed: 'UNCONFIRMED',
  waiting: 'NOT BACK YET',
  failed: 'FAILED',
};

function tellEnding(ending: Ending, { at, request, elapsed }: EndedRestore): string {
  switch (ending.kind) {
    case 'back':
      return `The project was seen to leave ACTIVE_HEALTHY at ${formatTimeWithZone(ending.leftAt)} and to come back at ${formatTimeWithZone(ending.backAt)}, after ${formatDuration(ending.backAt.getTime() - ending.leftAt.getTime())}. Whether its content is that of the wanted time, only a look at it tells.`;
    case 'unconfirmed':
      return `The project is ${ending.status}, and was not seen to leave that state within 5 minutes: whether it was restored is not known${request === 'lost' ? ', nor whether Supabase has got the request' : ''}. Look in the dashboard, and at the content of the database. Nothing is asked for again for this time; where it was not restored, give a time one second away.`;
    case 'waiting':
      return `The time to wait is over, and the project is ${ending.status ?? 'not told by the platform'}${ending.leftAt === undefined ? '' : `, since ${formatTimeWithZone(ending.leftAt)}, ${formatAge(at.getTime() + elapsed - ending.leftAt.getTime())} ago`}. The restore goes on: the same command waits on, and asks for nothing again. Restores have taken hours; ask Supabase's support (https://supabase.com/dashboard/support/new) to look at it.`;
    case 'failed':
      return `The restore has failed: the project is ${ending.status}. Open a ticket with Supabase's support (https://supabase.com/dashboard/support/new) at once, and restore the newest backup of the repository into a new project meanwhile.`;
  }
}

function describeDone({ request, safetyBackup, isSlotDropped }: EndedRestore): Section[] {
  const requests = {
    asked: 'asked once, and accepted',
    lost: 'asked once; the answer was lost',
    resumed: 'not asked: it was asked for before',
  };
  return [
    {
      kind: 'table',
      columns: [{ title: 'step' }, { title: 'state' }],
      rows: [
        ['Supabase was', requests[request]],
        ['safety backup', safetyBackup ?? 'none'],
        ['slot of captures', isSlotDropped ? 'dropped before' : 'not dropped by this run'],
      ],
    },
  ];
}

function describeBase({ base, ending }: EndedRestore): Section[] {
  switch (base.kind) {
    case 'taken':
      return [
        paragraph(
          `New base: backup ${base.id}. Run \`capture\` where changes are captured: it makes its slot anew.`,
        ),
      ];
    case 'failed':
      return [
        paragraph(
          `NO NEW BASE: ${base.message}. ${base.next} Then run \`backup\`: until then no later time can be recovered from the repository.`,
        ),
      ];
    case 'needed':
      return ending.kind === 'failed'
        ? []
        : [
            paragraph(
              'A new base is needed once the project is back: run `backup`, and `capture` where changes are captured. Its history is another one from here on.',
            ),
          ];
  }
}

/** What no restore by the platform brings back, said before and after */
function describeConsequences({ target, database }: ManagedRestoreResult): Section[] {
  const names = (of: readonly string[] | undefined) => (of?.length ? `: ${of.join(', ')}` : '');
  const rows = [
    ['files of Storage', 'stay as they are today; rows about them go back'],
    ["Vault's root key", 'stays, so that secrets of that time open with it, unless it was changed since'],
    ['passwords of roles', "are today's, not those of that time"],
    [
      'replication slots',
      `are gone, ours too${names(database?.otherSlots)}; Supabase demands that they are dropped before`,
    ],
    ['subscriptions', `have to be dropped before, and made anew after${names(database?.subscriptions)}`],
    [
      'captured changes',
      `end; those of after ${formatSecond(target)} stay in the repository, with their backups`,
    ],
    ['deletions since then', 'have to be done again: whoever asked to be erased is there again'],
  ];
  return [{ kind: 'table', columns: [{ title: 'not brought back' }, { title: 'what becomes of it' }], rows }];
}
