import * as v from 'valibot';
import { Problem } from './values.ts';

/** What GitHub passes to a job about a job that it needs. */
export interface NeededJob {
  readonly id: string;
  /** `success`, `failure`, `cancelled` or `skipped` */
  readonly result: string;
  readonly outputs: Readonly<Record<string, string>>;
}

const schema = v.record(
  v.string(),
  v.object({ result: v.string(), outputs: v.optional(v.record(v.string(), v.string()), {}) }),
);

/**
 * Parses the jobs that a job needs.
 *
 * @param text the `needs` of a job, as `toJSON` writes it
 * @throws Problem
 */
export function parseNeeds(text: string): readonly NeededJob[] {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
  if (parsed.success) return Object.entries(parsed.output).map(([id, job]) => ({ id, ...job }));
  // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub's
  throw new Problem('is not the result of `toJSON(needs)`', 'Write `${{ toJSON(needs) }}`.');
}
