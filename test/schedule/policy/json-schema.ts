import { type Rule, type RuleOfAll, rules, rulesOfAll } from '../../../src/schedule/policy/contradictions.ts';
import type { JsonSchema } from '../../../src/schedule/policy/facts.ts';
import { portableSource } from '../../../src/schedule/policy/portable.ts';
import {
  cron,
  databaseSchema,
  keepChanges,
  policySchema,
  retention,
  schedulesSchema,
} from '../../../src/schedule/policy/schema.ts';
import { forbidden } from '../../../src/schedule/policy/texts.ts';
import { toJsonSchema } from '../json-schema.ts';

/** What a policy says more than once */
const named = {
  cron,
  schedules: schedulesSchema,
  retention,
  keepChanges,
  database: databaseSchema,
};

/** Makes the schema of a policy for editors, of the schema and the rules that the program checks with. */
export function makePolicySchema(): object {
  const definitions = new Map<unknown, string>(Object.entries(named).map(([name, schema]) => [schema, name]));
  const texts = { not: { $ref: '#/$defs/leaked' } };
  const definitionOf = (name: string, schema: unknown) =>
    toJsonSchema(schema, {
      texts,
      definitions: new Map([...definitions].filter(([, other]) => other !== name)),
    });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'The policy of supabase-backup',
    ...toJsonSchema(policySchema, { definitions, texts }),
    allOf: [...rules.flatMap(toConditions), ...rulesOfAll.flatMap(toConditionsOfAll)],
    $defs: {
      ...Object.fromEntries(
        Object.entries(named).map(([name, schema]) => [name, definitionOf(name, schema)]),
      ),
      leaked: {
        description: 'An expression, or a secret, which no policy holds.',
        type: 'string',
        pattern: forbidden.map(({ pattern }) => portableSource(pattern)).join('|'),
      },
    },
  };
}

/** The ways in which all facts of a rule can be true, each as schemas of the policy and of the part */
function combine({ when }: Rule): { policy: JsonSchema[]; part: JsonSchema[] }[] {
  return when.reduce(
    (combined, { ways }) =>
      combined.flatMap(({ policy, part }) =>
        ways.map((way) => ({
          policy: way.policy === undefined ? policy : [...policy, way.policy],
          part: way.part === undefined ? part : [...part, way.part],
        })),
      ),
    [{ policy: [] as JsonSchema[], part: [] as JsonSchema[] }],
  );
}

function toConditions(rule: Rule): JsonSchema[] {
  return combine(rule).map(({ policy, part }) => {
    const wrong = { ...implies(part, refuse(rule)), $comment: rule.message };
    const inPart = rule.of === 'databases' ? { additionalProperties: wrong } : wrong;
    const whole = { properties: { [rule.of]: inPart } };
    return policy.length === 0 ? whole : implies(policy, whole);
  });
}

/** In one way the fact holds of each database by itself, in the other where the policy says something, too. */
function toConditionsOfAll(rule: RuleOfAll): JsonSchema[] {
  const { ways } = rule.everyDatabase;
  const conditions = [undefined, ...ways.map(({ policy }) => policy)].filter(
    (policy, index, all) => all.indexOf(policy) === index,
  );
  return conditions.map((policy) => {
    const fitting = ways.filter((way) => way.policy === undefined || way.policy === policy);
    const databases = { additionalProperties: { anyOf: fitting.map(({ part = {} }) => part) } };
    const parts = rule.when.flatMap((fact) => fact.ways.map(({ part = {} }) => part));
    const facts = [...(policy === undefined ? [] : [policy]), { properties: { databases } }];
    const held = { required: [rule.of], properties: { [rule.of]: allOf(parts) } };
    return {
      ...implies([...facts, held], { properties: { [rule.of]: refuse(rule) } }),
      $comment: rule.message,
    };
  });
}

/** Whatever stands there is wrong. */
function refuse({ at }: Rule): JsonSchema {
  return { required: [at], properties: { [at]: false } };
}

function allOf(schemas: readonly JsonSchema[]): JsonSchema {
  const [only] = schemas;
  return schemas.length === 1 && only !== undefined ? only : { allOf: schemas };
}

function implies(conditions: readonly JsonSchema[], consequence: JsonSchema): JsonSchema {
  // biome-ignore lint/suspicious/noThenProperty: a word of JSON Schema
  return { if: allOf(conditions), then: consequence };
}

/** Prints what fits on a line as one, because much of the schema is short and deep. */
export function renderSchema(schema: unknown, indent = ''): string {
  const line = JSON.stringify(schema);
  if (typeof schema !== 'object' || schema === null || indent.length + line.length < 120) return line;
  const inner = `${indent}  `;
  const parts = Array.isArray(schema)
    ? schema.map((part) => renderSchema(part, inner))
    : Object.entries(schema)
        .filter(([, part]) => part !== undefined)
        .map(([key, part]) => `${JSON.stringify(key)}: ${renderSchema(part, inner)}`);
  const [open, close] = Array.isArray(schema) ? '[]' : '{}';
  return `${open}\n${parts.map((part) => inner + part).join(',\n')}\n${indent}${close}`;
}
