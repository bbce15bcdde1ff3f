import type { Section } from '../../report/section.ts';
import { compare } from '../../values/ordering.ts';
/** What is wrong, and what it costs. */
export interface Damage {
  /** null for captured changes, which belong to none */
  readonly backup: string | null;
  /** A table with its pages, the archive, the manifest itself, or captured changes */
  readonly part: string;
  readonly how: string;
}

export function describeVerdict(damages: number, unread: number): string {
  if (damages > 0) return 'Validation: DAMAGED';
  return unread > 0 ? 'Validation: not everything could be read' : 'Validation: nothing is damaged';
}

export function countBackups(damages: readonly Damage[]): number {
  return new Set(damages.map(({ backup }) => backup).filter((id) => id !== null)).size;
}

export function listDamages(title: string, damages: readonly Damage[]): Section[] {
  if (damages.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: 'backup' }, { title }, { title: 'how' }],
      rows: damages
        .map(({ backup, part, how }) => [backup ?? '', part, how])
        .sort(([one = ''], [other = '']) => compare(one, other)),
    },
  ];
}
