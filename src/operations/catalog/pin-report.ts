import type { Outcome } from '../../interface/outcome.ts';
import type { Pinning } from './result.ts';

export function describePinning(pinning: Pinning): Outcome {
  const { what, consequence } = tellPinning(pinning);
  return {
    exitCode: 0,
    outputs: { 'backup-id': pinning.id },
    report: [
      { kind: 'heading', text: `Backup ${pinning.id} ${what}`, tone: 'good' },
      { kind: 'paragraph', text: consequence },
    ],
  };
}

function tellPinning({ pinned, isNew }: Pinning): { what: string; consequence: string } {
  if (!isNew) {
    return { what: pinned ? 'is pinned already' : 'is not pinned', consequence: 'Nothing was written.' };
  }
  return pinned
    ? { what: 'is pinned', consequence: 'It stays whatever a retention policy says, until `unpin`.' }
    : {
        what: 'is no longer pinned',
        consequence: 'The next cleanup keeps it only if the retention policy does.',
      };
}
