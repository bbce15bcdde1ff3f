import type { Outcome } from '../../interface/outcome.ts';
import {
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatRate,
} from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { compare } from '../../values/ordering.ts';
import { tellValidation } from './details.ts';
import { type Damage, isSound, type Validation } from './result.ts';

export function describeValidation(done: Validation): Outcome {
  const { backups, broken, objects, objectsChecked, read, archives, damages, unread, elapsed } = done;
  return {
    exitCode: isSound(done) ? 0 : 3,
    found: tellDamage(done),
    outputs: {
      ...{ backups, 'objects-checked': objectsChecked, damaged: broken.size },
      ...(done.instead === undefined ? {} : { 'read-from': done.instead.name }),
    },
    details: tellValidation(done),
    report: [
      { kind: 'heading', text: describeVerdict(done), tone: isSound(done) ? 'good' : 'bad' },
      ...describePlace(done),
      ...listDamages('damaged part', damages),
      ...describeCure(done),
      ...listDamages('could not be read, and may be whole', unread),
      {
        kind: 'table',
        columns: [{ title: 'what' }, { title: 'value', align: 'right' }],
        rows: [
          ['backups', formatCount(backups)],
          ['damaged backups', formatCount(broken.size)],
          ...(unread.length === 0
            ? []
            : [['backups that could not be read whole', formatCount(countBackups(unread))]]),
          ...describeSegments(done),
          ['objects checked', `${formatCount(objectsChecked)} of ${formatCount(objects)}`],
          ['read', `${formatBytes(read)} (${formatRate(read, elapsed)})`],
          ['archives listed by pg_restore', formatCount(archives)],
          ['encrypted', encryptions[done.encryption]],
          ['duration', formatDuration(elapsed)],
        ],
      },
    ],
  };
}

function describePlace({ instead }: Validation): Section[] {
  if (instead === undefined) return [];
  const { name, location, why } = instead;
  const copy = name === location ? name : `${name} (${location})`;
  return [{ kind: 'paragraph', text: `THE COPY ${copy} WAS VALIDATED, and not the storage: ${why}.` }];
}

function describeCure({ curable }: Validation): Section[] {
  if (curable === undefined) return [];
  const { whole, damaged } = curable;
  const text =
    whole === 0
      ? 'No copy has any of the damaged objects whole.'
      : `The copies have ${formatCount(whole)} of ${formatCounted(damaged, 'damaged object')} whole: \`repair\` heals them.`;
  return [{ kind: 'paragraph', text }];
}

const encryptions: Readonly<Record<Validation['encryption'], string>> = {
  none: 'no',
  opened: 'yes; opened',
  sealed: 'yes; not opened, the stored bytes were hashed',
};

function tellDamage({ damages, unread }: Validation): string | undefined {
  const [first] = damages.length > 0 ? damages : unread;
  if (first === undefined) return undefined;
  const more = Math.max(damages.length, unread.length) - 1;
  const others = more === 0 ? '' : `, and ${formatCounted(more, 'part')} more`;
  return `${first.backup === null ? '' : `backup ${first.backup}, `}${first.part}: ${first.how}${others}`;
}

function describeVerdict(done: Validation): string {
  const { damages, unread, broken, backups, objects, objectsChecked } = done;
  if (damages.length > 0) {
    return broken.size === 0
      ? 'Validation: DAMAGED captured changes'
      : `Validation: DAMAGED, ${formatCount(broken.size)} of ${formatCounted(backups, 'backup')}`;
  }
  if (unread.length > 0) {
    return `Validation: not everything could be read, ${formatCounted(unread.length, 'part')} of ${formatCounted(backups, 'backup')}`;
  }
  const checked =
    objectsChecked === objects
      ? `all ${formatCounted(objects, 'object')}`
      : `${formatCount(objectsChecked)} of ${formatCounted(objects, 'object')}`;
  return `Validation: nothing is damaged, ${checked} of ${formatCounted(backups, 'backup')} checked`;
}

function describeSegments({ segments, damages }: Validation): string[][] {
  const broken = new Set(damages.filter(({ backup }) => backup === null).map(({ part }) => part));
  return segments + broken.size === 0
    ? []
    : [
        ['segments of captured changes', formatCount(segments)],
        ['damaged segments', formatCount(broken.size)],
      ];
}

function countBackups(damages: readonly Damage[]): number {
  return new Set(damages.map(({ backup }) => backup).filter((id) => id !== null)).size;
}

function listDamages(title: string, damages: readonly Damage[]): Section[] {
  if (damages.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: 'backup', code: true }, { title }, { title: 'how' }],
      rows: damages
        .map(({ backup, part, how }) => [backup ?? '', part, how])
        .sort(([one = ''], [other = '']) => compare(one, other)),
    },
  ];
}
