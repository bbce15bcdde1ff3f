import type { Manifest } from '../../format/manifest.ts';
import type { Section } from '../../report/section.ts';

/** Lists what the backup does not carry, with reason and remedy. */
export function describeNotCarried({ notCarried }: Manifest): Section[] {
  if (notCarried.length === 0) return [];
  return [
    { kind: 'paragraph', text: 'Not in this backup:' },
    {
      kind: 'table',
      columns: [{ title: 'what' }, { title: 'why' }, { title: 'remedy' }],
      rows: notCarried.map((item) => [item.what, item.why, item.remedy]),
    },
  ];
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
