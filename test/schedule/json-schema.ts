/** A schema of ours as editors and other programs read it: JSON Schema, made from the very schema that is checked with. */

interface Part {
  readonly kind: string;
  readonly type: string;
  readonly requirement?: unknown;
  readonly description?: string;
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

export function toJsonSchema(schema: unknown): object {
  const { type, pipe = [], entries = {}, options = [], ...rest } = schema as AnySchema;
  const find = (name: string) => pipe.find((part) => part.type === name);
  const description = find('description')?.description;
  const described = description === undefined ? {} : { description };
  switch (type) {
    case 'optional':
      return toJsonSchema(rest.wrapped);
    case 'string': {
      const pattern = find('regex')?.requirement as RegExp | undefined;
      return { type, ...described, ...(pattern && { pattern: pattern.source }) };
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
      return { anyOf: options.map(toJsonSchema) };
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
        minProperties: find('check')?.requirement === undefined ? undefined : 1,
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
