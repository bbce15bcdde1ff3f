import * as v from 'valibot';
import type { Damage, Validation } from './result.ts';

const damages = v.array(
  v.strictObject({
    backup: v.pipe(v.nullable(v.string()), v.description('null: captured changes, which are of no backup')),
    segment: v.pipe(v.nullable(v.string()), v.description('Key of the segment of captured changes')),
    where: v.picklist(['manifest', 'objects', 'contents']),
    part: v.string(),
    how: v.string(),
  }),
);

/** What a validation found: `validate --json` */
export const validateDetails = v.strictObject({
  damages,
  unread: v.pipe(damages, v.description('What could not be read, and may be whole')),
});

export function tellValidation(
  done: Pick<Validation, 'damages' | 'unread'>,
): v.InferOutput<typeof validateDetails> {
  return { damages: done.damages.map(tellDamage), unread: done.unread.map(tellDamage) };
}

function tellDamage({ backup, segment, where, part, how }: Damage) {
  return { backup, segment, where, part, how };
}
