import * as v from 'valibot';

/* Fields that results for programs have in common: `--json` and the tools of an assistant. Null is what is not known or is not there. */

/** A whole number: of rows, bytes, milliseconds and the like */
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
export const time = v.pipe(v.string(), v.isoTimestamp());
export const maybeTime = v.nullable(time);

export function iso(time: Date): string {
  return time.toISOString();
}

export function maybeIso(time: Date | null | undefined): string | null {
  return time?.toISOString() ?? null;
}

/** A table of a backup. The name is as `include` takes it. */
export const table = v.strictObject({ name: v.string(), rows: count, bytes: count });

/** What a backup or a restore does not carry */
export const omission = v.strictObject({ what: v.string(), why: v.string(), remedy: v.string() });

export function toOmissions(omissions: readonly v.InferOutput<typeof omission>[]) {
  return omissions.map(({ what, why, remedy }) => ({ what, why, remedy }));
}

/** milliseconds by phase, and their `total` where there is one */
export const phases = v.record(v.string(), count);

export function toPhases(elapsed: Readonly<Record<string, number>>): v.InferOutput<typeof phases> {
  return Object.fromEntries(Object.entries(elapsed).map(([phase, taken]) => [phase, Math.round(taken)]));
}
