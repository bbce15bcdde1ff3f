import * as v from 'valibot';
import {
  type Document,
  type ErrorCode,
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import { list } from '../../interface/inputs/values.ts';
import { ConfigurationError, messageOf } from '../../runtime/errors.ts';
import { findNearest } from '../../values/nearest.ts';
import { type Contradiction, findContradictions } from './contradictions.ts';
import { findMissingFiles } from './named-files.ts';
import { policySchema, type WrittenPolicy } from './schema.ts';
import { keysOf } from './texts.ts';

export interface ParsedPolicy {
  readonly policy: WrittenPolicy;
  /** The comment behind `action`, which tells people the version; empty when there is none */
  readonly actionVersion: string;
}

interface Problem {
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** Tells whether the repository has a file at this path. */
export type FileLookup = (path: string) => boolean;

type Path = readonly (string | number)[];
type Issue = v.BaseIssue<unknown>;

/** Checks a policy: each key by itself, and then all keys together, and with the files that they name. */
function checkedPolicySchema(hasFile: FileLookup) {
  return v.pipe(
    policySchema,
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const { path, message } of [
        ...findContradictions(dataset.value),
        ...findMissingFiles(dataset.value, hasFile),
      ])
        addIssue({ message, path: stepsTo(path, dataset.value) });
    }),
  );
}

type Step = v.ObjectPathItem;

/** Converts a path of keys to the form of valibot's issues, in which each step holds its parent value. */
function stepsTo([first, ...rest]: Contradiction['path'], policy: WrittenPolicy): [Step, ...Step[]] {
  const stepTo = (key: string, value: unknown): Step => {
    const input = { ...(value as Readonly<Record<string, unknown>>) };
    return { type: 'object', origin: 'value', input, key, value: input[key] };
  };
  const steps: [Step, ...Step[]] = [stepTo(first, policy)];
  for (const key of rest) steps.push(stepTo(key, steps.at(-1)?.value));
  return steps;
}

/** A policy that a terminal reads: nothing is called in a workflow, and what suits no runner may suit it. */
const terminalPolicySchema = keysOf({
  ...policySchema.entries,
  action: v.optional(policySchema.entries.action),
});

/**
 * Parses a policy.
 *
 * @param file the name of the file, for messages
 * @param reader who reads it: a policy of workflows must name its action, and its keys must work together
 * @param hasFile looks up files that the policy names; by default they are taken to be there
 * @throws ConfigurationError one error that lists every mistake with its line and column
 */
export function parsePolicy(
  source: string,
  file: string,
  reader: 'workflows' | 'terminal' = 'workflows',
  hasFile: FileLookup = () => true,
): ParsedPolicy {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const mistakes = [
    ...document.errors.map(({ code, pos, message }) => [pos[0], quietly[code] ?? message] as const),
    ...listUnresolved(document).map((offset) => [offset, 'Nothing has the name behind this *'] as const),
    ...listUnread(document).map(
      ({ range }) => [range?.[0] ?? 0, 'Nothing here is a tag or __proto__'] as const,
    ),
  ];
  if (mistakes.length > 0)
    throw toError(
      file,
      mistakes.map(([offset, message]) => ({
        ...place(offset),
        text: `is no YAML: ${message}. Correct the line, or put the text into quotes`,
      })),
    );
  const result = v.safeParse(
    reader === 'terminal' ? terminalPolicySchema : checkedPolicySchema(hasFile),
    resolveAliases(document, file),
  );
  if (!result.success) {
    const problems = result.issues
      .flatMap((issue) => unfold(issue, []))
      .map(({ issue, path }) => ({
        ...place(findNode(document.contents, path, isUnknownKey(issue))?.range?.[0] ?? 0),
        text: describe(issue, path),
      }));
    throw toError(file, problems);
  }
  const action = document.get('action', true);
  const comment = isScalar(action) ? (action.comment?.trim() ?? '') : '';
  const policy = { ...result.output, action: result.output.action ?? '' };
  return { policy, actionVersion: /^[\w.+-]{1,40}$/.test(comment) ? comment : '' };
}

/** What stands for messages of the library that would quote the file, and with it a secret */
const quietly: Partial<Record<ErrorCode, string>> = {
  UNEXPECTED_TOKEN: 'Something is here that cannot be',
  TAG_RESOLVE_FAILED: 'The tag is unknown',
};

/** Lists where aliases stand that no anchor comes before. */
function listUnresolved(document: Document.Parsed): number[] {
  const found: number[] = [];
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) === undefined) found.push(alias.range?.[0] ?? 0);
    },
  });
  return found;
}

/**
 * Lists what the schema would not see: it takes what a tag makes, such as a set, for an object without keys, and
 * leaves out the key `__proto__`. What stands there would be ignored and nobody told.
 */
function listUnread(document: Document.Parsed): Node[] {
  const found: Node[] = [];
  visit(document, {
    Node(key, node) {
      const isPrototype = key === 'key' && isScalar(node) && node.value === '__proto__';
      const isTagged = !isAlias(node) && node.tag !== undefined && !plainTags.includes(node.tag);
      if (isPrototype || isTagged) found.push(node);
    },
  });
  return found;
}

const plainTags = ['map', 'seq', 'str', 'int', 'float', 'bool', 'null'].map(
  (name) => `tag:yaml.org,2002:${name}`,
);

function resolveAliases(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw toError(file, [
      { line: 1, column: 1, text: `is no YAML: ${messageOf(error)}. Put the text into quotes` },
    ]);
  }
}

/** Replaces an issue of a union by those of the alternatives whose kind of value fits: they were meant. */
function unfold(issue: Issue, prefix: Path): { issue: Issue; path: Path }[] {
  const path = [...prefix, ...(issue.path ?? []).map(({ key }) => key as string | number)];
  if (issue.type !== 'union') return [{ issue, path }];
  const inner = (issue.issues ?? []).filter((part) => part.path !== undefined);
  return inner.length === 0 ? [{ issue, path }] : inner.flatMap((part) => unfold(part, path));
}

function isUnknownKey(issue: Issue): boolean {
  return issue.type === 'strict_object' && issue.expected === 'never';
}

function describe(issue: Issue, path: Path): string {
  const where = path.map(quoteKey).join('.') || 'the policy';
  if (isUnknownKey(issue)) {
    const known = keysBeside(path);
    const near = findNearest(String(path.at(-1)), known);
    return `${where}: is an unknown key. ${near ? `Did you mean ${near}?` : `Valid keys here: ${known.join(', ')}.`}`;
  }
  if (issue.type === 'strict_object' && issue.received === 'undefined' && path.length > 0)
    return `${where}: is required. Write it; docs/schedule.md says what it holds.`;
  const message =
    issue.kind === 'schema' && /^Invalid /.test(issue.message)
      ? describeType(issue, path.at(-1))
      : issue.message;
  return `${where}: ${message}.`;
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  Object: 'keys and values',
  Array: 'a list',
};

/** Keys of times with a unit */
const timed = ['rpo-target', 'rto-target', 'keep-changes', 'grace-period'];

function describeType(issue: Issue, key: Path[number] | undefined): string {
  const expected = [...new Set((issue.expected ?? '').replace(/[()]/g, '').split(' | '))];
  const wanted = list(expected.map((kind) => kinds[kind] ?? kind));
  if (issue.input === null)
    return `has no value. Write ${wanted}${key === undefined ? '' : ', or leave the key out'}`;
  if (issue.expected === 'string' && typeof issue.input === 'number')
    return `is the number ${issue.input}, and a text is wanted. Write it ${timed.includes(String(key)) ? `with its unit, as in ${issue.input}h` : 'in quotes'}`;
  return `is not ${wanted}. Write ${expected.length === 1 ? 'it as such' : 'one of them'}`;
}

/** A key that is long, or has signs of an address, may be a secret at the wrong place. */
function quoteKey(key: string | number): string {
  return /^[\w.-]{1,40}$/.test(String(key)) ? String(key) : '(hidden, because it may be a secret)';
}

/** Lists the keys that the schema knows at the place of an unknown key. */
function keysBeside(path: Path): string[] {
  let schemas: readonly unknown[] = [policySchema];
  for (const key of path.slice(0, -1))
    schemas = schemas.flatMap(alternatives).flatMap((schema) => child(schema, key));
  return schemas.flatMap(alternatives).flatMap((schema) => Object.keys(entriesOf(schema) ?? {}));
}

interface AnySchema {
  readonly type?: string;
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly options?: readonly unknown[];
  readonly wrapped?: unknown;
  readonly value?: unknown;
}

function entriesOf(schema: unknown): Readonly<Record<string, unknown>> | undefined {
  return (schema as AnySchema).entries;
}

function alternatives(schema: unknown): readonly unknown[] {
  const { type, wrapped, options = [] } = schema as AnySchema;
  if (type === 'optional') return alternatives(wrapped);
  return type === 'union' ? options.flatMap(alternatives) : [schema];
}

function child(schema: unknown, key: string | number): readonly unknown[] {
  const { type, value } = schema as AnySchema;
  if (type === 'record') return [value];
  const found = entriesOf(schema)?.[key];
  return found === undefined ? [] : [found];
}

/**
 * Finds the node at a path, or the nearest enclosing node.
 *
 * @param key true for the node of the last key, false for that of its value
 */
function findNode(root: unknown, path: Path, key: boolean): Node | undefined {
  let node = isNode(root) ? root : undefined;
  for (const [index, step] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (pair === undefined) return node;
      const isLast = index === path.length - 1;
      const value = (isLast && key) || !isNode(pair.value) ? pair.key : pair.value;
      node = isNode(value) ? value : node;
    } else {
      const items = (node as { items?: readonly unknown[] } | undefined)?.items;
      const item = items?.[Number(step)];
      if (!isNode(item)) return node;
      node = item;
    }
  }
  return node;
}

function toError(file: string, problems: readonly Problem[]): ConfigurationError {
  const sorted = problems.toSorted((one, other) => one.line - other.line || one.column - other.column);
  const lines = sorted.map(
    ({ line, column, text }) => `${file}:${line}:${column}: ${text.replace(/\.$/, '')}`,
  );
  const [only] = lines;
  return new ConfigurationError(
    lines.length === 1 && only !== undefined
      ? only
      : `${lines.length} mistakes in the policy\n${lines.map((line) => `- ${line}`).join('\n')}`,
    'Correct the policy and run the operation again; docs/schedule.md has every key.',
  );
}
