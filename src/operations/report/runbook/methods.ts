import { formatAge, formatDuration } from '../../../report/quantity.ts';
import { formatTimeWithZone } from '../../../report/time.ts';
import type { MethodName, RunbookFacts } from './facts.ts';
import { type Markdown, md } from './markdown.ts';

/** What a page says of its way back, as the tree and the page say it */
export interface Prospect {
  /** What is done */
  readonly way: string;
  readonly time: string;
  readonly loss: string;
  readonly proven: string;
}

type Known = Pick<RunbookFacts, 'proofs' | 'recovery' | 'gap'>;

export function foresee(facts: Known, way: string, method: MethodName, loss = tellLoss(facts)): Prospect {
  return { way, time: tellTime(facts, method), loss, proven: tellProof(facts, method) };
}

/** Says how long a method takes: measured, or predicted and said so, or that nobody knows. */
function tellTime({ proofs, recovery }: Known, method: MethodName): string {
  const measured = proofs[method];
  if (measured !== undefined) return `${formatDuration(measured.milliseconds)}, measured`;
  const whole = proofs.whole;
  if (whole !== undefined)
    return `not measured; all of it took ${formatDuration(whole.milliseconds)}, measured`;
  if (recovery.kind !== 'predicted') return 'not measured';
  const { milliseconds, basis } = recovery.prediction;
  const time = formatDuration(milliseconds);
  return `not measured; all of it predicted from its size: ${basis === 'restores' ? `about ${time}` : `${time} or more`}`;
}

function tellLoss({ gap }: Known): string {
  return gap === undefined ? 'everything: there is no backup' : `at worst ${formatAge(gap)} of work`;
}

function tellProof({ proofs }: Known, method: MethodName): string {
  const proof = proofs[method];
  return proof === undefined ? 'never' : `${formatTimeWithZone(proof.at)}, by a ${proof.by}`;
}

export function describeProspect({ way, time, loss, proven }: Prospect): Markdown {
  return md`**Way:** ${way}. **Takes:** ${time}. **Lost:** ${loss}. **Last proven on:** ${proven}.`;
}
