import type { Manifest, StoredObject } from '../../format/manifest.ts';
import { type Segment, segmentKey } from '../../repository/changes/segments.ts';
import { listExtras } from '../../repository/objects/extras.ts';
import { nameSegment } from './changes.ts';
import type { Damage } from './result.ts';

/** Something that lists objects: a manifest or a segment. */
export type Holder = Pick<Manifest, 'encryption'>;

/** An object, and the parts of backups and changes that would be lost with it. */
export interface Use {
  readonly object: StoredObject;
  readonly parts: (Pick<Damage, 'backup' | 'segment' | 'part'> & { readonly holder: Holder })[];
}

/** Gathers all listed objects, by name and hash: each stored copy of a content once. */
export function gatherUses(manifests: readonly Manifest[], segments: readonly Segment[]): Map<string, Use> {
  const uses = new Map<string, Use>();
  const noteObject = (
    object: StoredObject,
    holder: Holder,
    whose: Pick<Damage, 'backup' | 'segment' | 'part'>,
  ) => {
    // Two manifests may describe different stored copies of one content; each is checked.
    const id = `${object.name} ${object.sha256}`;
    const use = uses.get(id) ?? { object, parts: [] };
    uses.set(id, use);
    const last = use.parts.at(-1);
    if (last?.holder !== holder || last.part !== whose.part) use.parts.push({ holder, ...whose });
  };
  const note = (manifest: Manifest, index: number, part: string) => {
    const object = manifest.objects[index];
    if (object) noteObject(object, manifest, { backup: manifest.id, segment: null, part });
  };
  for (const manifest of manifests) {
    for (const index of manifest.archive.objects) note(manifest, index, 'schema archive');
    for (const index of manifest.supplement.objects) note(manifest, index, 'supplement');
    for (const index of listExtras(manifest)) note(manifest, index, 'extra object');
    for (const table of manifest.tables) {
      for (const range of table.ranges) {
        const pages = table.ranges.length === 1 ? '' : `, pages ${range.from} to ${range.to ?? 'the end'}`;
        for (const piece of range.pieces)
          note(manifest, piece.object, `table ${table.schema}.${table.name}${pages}`);
      }
    }
  }
  for (const segment of segments) {
    const whose = { backup: null, segment: segmentKey(segment), part: nameSegment(segment) };
    for (const object of segment.objects) noteObject(object, segment, whose);
  }
  return uses;
}
