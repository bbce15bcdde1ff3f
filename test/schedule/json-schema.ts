/** A schema of ours as editors and other programs read it: JSON Schema, made from the very schema that is checked with. */

import { portableSource } from '../../src/schedule/policy/portable.ts';

interface Part {
  readonly kind: string;
  readonly type: string;
  readonly requirement?: unknown;
  readonly description?: string;
  readonly metadata?: { readonly pattern?: RegExp; readonly words?: readonly string[] };
}

interface AnySchema extends Part {
  readonly pipe?: readonly Part[];
  readonly entries?: Readonly<Record<string, AnySchema>>;
  readonly options?: readonly unknown[];
  readonly literal?: unknown;
  readonly wrapped?: AnySchema;
  readonly item?: AnySchema;
  readonly key?: AnySchema;
  readonly value?: AnySchema;
}

/**
 * @param definitions schemas that stand under `$defs` of the whole, by their names, and are referred to
 * @param texts what holds of each text that a parser checks
 */
export function toJsonSchema(
  schema: unknown,
  {
    definitions = new Map(),
    texts = {},
  }: { definitions?: ReadonlyMap<unknown, string>; texts?: object } = {},
): object {
  const name = definitions.get(schema);
  return name === undefined
    ? convert(schema, (part) => toJsonSchema(part, { definitions, texts }), texts)
    : { $ref: `#/$defs/${name}` };
}

function convert(schema: unknown, toJsonSchema: (part: unknown) => object, texts: object): object {
  const { type, pipe = [], entries = {}, options = [], ...rest } = schema as AnySchema;
  const find = (name: string) => pipe.find((part) => part.type === name);
  const description = find('description')?.description;
  const described = description === undefined ? {} : { description };
  switch (type) {
    case 'optional':
      return toJsonSchema(rest.wrapped);
    case 'string': {
      const { pattern, words } = find('metadata')?.metadata ?? {};
      const plain = find('regex')?.requirement as RegExp | undefined;
      if (words !== undefined) return { type, ...described, enum: words };
      // A parser gets a text without the spaces around it.
      if (pattern !== undefined)
        return { type, ...described, pattern: portableSource(trimmed(pattern)), ...texts };
      if (find('raw_check') !== undefined) return { type, ...described, pattern: '\\S', ...texts };
      return { type, ...described, ...(plain && { pattern: portableSource(plain) }) };
    }
    case 'boolean':
      return { type, ...described };
    case 'number':
      return {
        type: find('integer') ? 'integer' : 'number',
        ...described,
        minimum: find('min_value')?.requirement,
        maximum: find('max_value')?.requirement,
      };
    case 'array':
      return {
        type,
        ...described,
        items: toJsonSchema(rest.item),
        minItems: find('min_length')?.requirement,
      };
    case 'union':
      return { anyOf: options.map((option) => toJsonSchema(option)) };
    case 'nullable':
      return { anyOf: [toJsonSchema(rest.wrapped), { type: 'null' }], ...described };
    case 'picklist':
      return { enum: options };
    case 'literal':
      return { const: rest.literal };
    case 'record':
      return {
        type: 'object',
        propertyNames: toJsonSchema(rest.key),
        additionalProperties: toJsonSchema(rest.value),
        minProperties: find('min_entries')?.requirement,
      };
    case 'strict_object': {
      const required = Object.keys(entries).filter((name) => entries[name]?.type !== 'optional');
      return {
        type: 'object',
        properties: Object.fromEntries(
          Object.entries(entries).map(([name, one]) => [name, toJsonSchema(one)]),
        ),
        ...(required.length > 0 && { required }),
        additionalProperties: false,
      };
    }
    default:
      throw new Error(`a ${type} has no form in JSON Schema here`);
  }
}

function trimmed({ source, flags }: RegExp): RegExp {
  return new RegExp(`^\\s*(?:${source.replace(/^\^|\$$/g, '')})\\s*$`, flags);
}
