import { portableSource } from './portable.ts';
import type { JobKind, WrittenDatabase, WrittenPolicy } from './schema.ts';

/*
 * Facts of a policy, each as code for the program and as JSON Schema for editors. Rules are made of them
 * (contradictions.ts), and a test compares what both say.
 */

export type JsonSchema = Readonly<Record<string, unknown>>;

/** What rules are about: a database, or a part of the policy such as `alarms` */
export type Part = object;

/** A fact of a part that hangs on nothing else */
export interface PartFact {
  holds(part: Part): boolean;
  readonly schema: JsonSchema;
}

/** A fact of a part within its policy */
export interface Fact {
  holds(part: Part, policy: WrittenPolicy): boolean;
  /** The fact holds where one of them does: the part fits one schema, and the policy the other. */
  readonly ways: readonly { readonly part?: JsonSchema; readonly policy?: JsonSchema }[];
}

export function has(key: string): PartFact {
  return { holds: (part) => read(part, key) !== undefined, schema: { required: [key] } };
}

/** The key is absent, or its text fits. */
export function fitsIfThere(key: string, pattern: RegExp): PartFact {
  return {
    holds: (part) => pattern.test(String(read(part, key))) || !has(key).holds(part),
    schema: { properties: { [key]: { pattern: portableSource(pattern) } } },
  };
}

export function fits(key: string, pattern: RegExp): PartFact {
  return all(has(key), fitsIfThere(key, pattern));
}

export function not({ holds, schema }: PartFact): PartFact {
  return { holds: (part) => !holds(part), schema: { not: schema } };
}

export function all(...facts: readonly PartFact[]): PartFact {
  return {
    holds: (part) => facts.every((fact) => fact.holds(part)),
    schema: { allOf: facts.map(({ schema }) => schema) },
  };
}

export function any(...facts: readonly PartFact[]): PartFact {
  return {
    holds: (part) => facts.some((fact) => fact.holds(part)),
    schema: { anyOf: facts.map(({ schema }) => schema) },
  };
}

export function ofPart({ holds, schema }: PartFact): Fact {
  return { holds, ways: [{ part: schema }] };
}

/** A fact of the policy, whatever the part */
export function ofPolicy({ holds, schema }: PartFact): Fact {
  return { holds: (_, policy) => holds(policy), ways: [{ policy: schema }] };
}

/** The fact holds of what stands under the key; it is there. */
export function under(key: string, fact: PartFact): PartFact {
  return {
    holds: (part) => has(key).holds(part) && fact.holds(read(part, key) as Part),
    schema: { required: [key], properties: { [key]: fact.schema } },
  };
}

/** The database's own schedules, or else the common ones, switch the kind off. */
export function isSwitchedOff(kind: JobKind): Fact {
  return {
    holds: (part, policy) => scheduleOf(kind, part, policy) === false,
    ways: [
      { part: switches(kind, { const: false }) },
      { policy: switches(kind, { const: false }), part: isSilentOn(kind) },
    ],
  };
}

/** They do not switch it off: where nothing is said, most kinds are on. */
export function isNotSwitchedOff(kind: JobKind): Fact {
  return {
    holds: (part, policy) => scheduleOf(kind, part, policy) !== false,
    ways: [
      { part: switches(kind, { not: { const: false } }) },
      { policy: { not: switches(kind, { const: false }) }, part: isSilentOn(kind) },
    ],
  };
}

/** They say that it is on, and when. */
export function isAskedFor(kind: JobKind): Fact {
  return {
    holds: (part, policy) => ![undefined, false].includes(scheduleOf(kind, part, policy) as false),
    ways: [
      { part: switches(kind, { not: { const: false } }) },
      { policy: switches(kind, { not: { const: false } }), part: isSilentOn(kind) },
    ],
  };
}

function switches(kind: JobKind, value: JsonSchema): JsonSchema {
  const schedules = { required: [kind], properties: { [kind]: value } };
  return { required: ['schedules'], properties: { schedules } };
}

function isSilentOn(kind: JobKind): JsonSchema {
  return { properties: { schedules: { not: { required: [kind] } } } };
}

function scheduleOf(kind: JobKind, part: Part, { schedules }: WrittenPolicy): unknown {
  return { ...schedules, ...(part as Partial<WrittenDatabase>).schedules }[kind];
}

function read(part: Part, key: string): unknown {
  return (part as Readonly<Record<string, unknown>>)[key];
}
