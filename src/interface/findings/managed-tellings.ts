import { formatAge, formatCounted } from '../../report/quantity.ts';
import { formatTimeWithZone } from '../../report/time.ts';
import type { FindingOf, UnreadPart } from './finding.ts';

/* How the findings about the platform's own backups are said; for `telling.ts` alone. */

/** A finding of one kind into a sentence and what to do */
type Tell<Kind extends ManagedKind> = (finding: FindingOf<Kind>) => { sentence: string; remedy: string };

type ManagedKind =
  | 'managed-off'
  | 'managed-late'
  | 'managed-failed'
  | 'managed-ending'
  | 'managed-out-of-step'
  | 'managed-unreadable';

const dashboard = 'in the dashboard, under Database, Backups';

export const managedTellings: { readonly [Kind in ManagedKind]: Tell<Kind> } = {
  'managed-off': ({ why, plan }) =>
    why === 'plan'
      ? {
          sentence: `Supabase keeps no backup of this project that its owner could restore: the plan${plan === undefined ? '' : ` (${plan})`} has none.`,
          remedy:
            'Rely on the backups of the repository alone, and drill them; or change to a plan that includes daily backups.',
        }
      : {
          sentence: `Supabase lists no backup of this project${plan === undefined ? '' : `, although the plan (${plan}) has them`}, and no time that it can recover.`,
          remedy: `Look ${dashboard}: a new project gets its first within a day. Ask Supabase's support where none comes.`,
        },
  'managed-late': ({ what, measured = 0, limit = 0, newest }) =>
    what === 'backup'
      ? {
          sentence: `Supabase's newest backup is ${formatAge(measured)} old, of ${formatTimeWithZone(newest)}, and at most ${formatAge(limit)} may pass.`,
          remedy: `Look ${dashboard}, and ask Supabase's support why none has come; until then rely on the backups of the repository.`,
        }
      : {
          sentence: `Supabase's point-in-time recovery ends at ${formatTimeWithZone(newest)}, ${formatAge(measured)} before a transaction that is known here, and at most ${formatAge(limit)} may be missing.`,
          remedy: `Look ${dashboard}, and ask Supabase's support why the write-ahead log is not archived; until then rely on the captures of the repository.`,
        },
  'managed-failed': ({ what, measured = 1, completed, since }) =>
    what === 'backup'
      ? {
          sentence: `Supabase's newest ${measured === 1 ? 'backup has' : `${formatCounted(measured, 'backup')} have`} failed${since === undefined ? '' : `, since ${formatTimeWithZone(since)}`}; ${completed === undefined ? 'none that it lists is complete' : `the newest that is complete is of ${formatTimeWithZone(completed)}`}.`,
          remedy: `Look ${dashboard}, and ask Supabase's support; take a backup into the repository now.`,
        }
      : {
          sentence: 'the last restore of the project by Supabase has failed (RESTORE_FAILED).',
          remedy:
            "Open a ticket with Supabase's support at once, and restore the newest backup of the repository into a new project meanwhile.",
        },
  'managed-ending': ({ why }) => {
    switch (why) {
      case 'paused':
        return {
          sentence:
            'the project is paused: Supabase takes no backups of it while it is, and after 90 days it can only be downloaded, not started again.',
          remedy:
            'Resume it in the dashboard, or keep a backup of the repository that is newer than the pause.',
        };
      case 'going':
        return {
          sentence: 'the project is being removed, and all of its backups by Supabase go with it.',
          remedy:
            "If this is not intended, ask Supabase's support at once. The backups of the repository stay.",
        };
      case 'pitr-replaces-daily':
        return {
          sentence:
            'point-in-time recovery is on and replaces the daily backups: those still listed are the last.',
          remedy: 'Nothing needs to be done: the window of point-in-time recovery takes their place.',
        };
    }
  },
  'managed-out-of-step': ({ behind, measured, limit = 0, ofRepository, ofPlatform }) => {
    if (ofRepository === undefined)
      return {
        sentence: `Supabase has a backup of ${formatTimeWithZone(ofPlatform)}, and the repository has none: there is only one layer.`,
        remedy: 'Run `backup`, and find out why none has run.',
      };
    const [late, other] =
      behind === 'repository' ? ['the repository', 'Supabase'] : ['Supabase', 'the repository'];
    return {
      sentence: `the two layers are out of step: ${late} is ${formatAge(measured ?? 0)} behind ${other} (repository ${formatTimeWithZone(ofRepository)}, Supabase ${formatTimeWithZone(ofPlatform)}), and at most ${formatAge(limit)} may lie between them.`,
      remedy:
        behind === 'repository'
          ? 'Find out why the last `backup` or `capture` failed or did not run, and run it; check that the storage is of this project.'
          : `Look ${dashboard}; check that project-ref and the storage are of one project.`,
    };
  },
  'managed-unreadable': ({ severity, unread }) => {
    const parts = unread.map(({ part }) => partNames[part]).join(', ');
    const missing = [...new Set(unread.flatMap((each) => each.missing))];
    return {
      sentence: `these facts about Supabase's own backups could not be read: ${parts} (${tellCauses(unread)}).`,
      remedy: adviseUnread(severity, unread, missing),
    };
  },
};

export const partNames: Readonly<Record<UnreadPart['part'], string>> = {
  project: 'the project',
  backups: 'the list of backups',
  schedule: 'the time of the daily backup',
  pitrDays: 'the add-on for point-in-time recovery',
  plan: 'the plan',
  entitlements: 'what the plan includes',
};

const causeNames: Readonly<Record<UnreadPart['cause'], string>> = {
  permission: 'the token lacks the permission, or is no longer valid',
  absent: 'there is no such project for this token',
  passing: 'the Management API did not answer',
  foreign: 'the Management API answered about another project',
  future: 'the Management API named a time in the future',
  unclear: 'the Management API gave an unexpected answer',
};

function tellCauses(unread: readonly UnreadPart[]): string {
  return [...new Set(unread.map(({ cause }) => causeNames[cause]))].join('; ');
}

function adviseUnread(
  severity: FindingOf<'managed-unreadable'>['severity'],
  unread: readonly UnreadPart[],
  missing: readonly string[],
): string {
  if (unread.some(({ cause }) => cause === 'absent'))
    return 'Check that project-ref is right, and that the token is of an account in the organization of the project.';
  if (unread.some(({ cause }) => cause === 'permission')) {
    const permissions = missing.length > 0 ? missing.join(', ') : 'what docs/managed.md lists for each part';
    const give = `Give the token ${permissions}, or create a new one if it has expired.`;
    return severity === 'note' ? `${give} If the rest is enough, nothing needs to be done.` : give;
  }
  if (unread.some(({ cause }) => cause === 'foreign' || cause === 'future'))
    return `Do not trust any of it: check management-api-url and the clock of this machine, and look ${dashboard}.`;
  return 'Run it again later; https://status.supabase.com shows the state of the platform.';
}
