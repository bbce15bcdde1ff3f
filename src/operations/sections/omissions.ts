import type { Manifest } from '../../format/manifest.ts';
import type { Section } from '../../report/section.ts';

/** What a backup, a restore or a comparison leaves out, with the reason and what to do */
type Told = Pick<Manifest['notCarried'][number], 'what' | 'why' | 'remedy'>;

/**
 * Lists omissions below an introduction; without any, nothing.
 *
 * @param titles of the three columns
 */
export function describeOmitted(
  introduction: string,
  omissions: readonly Told[],
  titles: readonly [what: string, why: string, remedy: string] = ['what', 'why', 'remedy'],
): Section[] {
  if (omissions.length === 0) return [];
  return [
    { kind: 'paragraph', text: introduction },
    {
      kind: 'table',
      columns: titles.map((title) => ({ title })),
      rows: omissions.map(({ what, why, remedy }) => [what, why, remedy]),
    },
  ];
}

/** Lists what the backup does not carry, with reason and remedy. */
export function describeNotCarried({ notCarried }: Manifest): Section[] {
  return describeOmitted('Not in this backup:', notCarried);
}

export function describeNotes(notes: readonly string[]): Section[] {
  if (notes.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: 'differs from the source, without loss' }],
      rows: notes.map((note) => [note]),
    },
  ];
}
