import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { expect, it } from 'vitest';
import { parseAst } from 'vitest/node';
import { inputNames } from '../../src/interface/inputs/schema.ts';

const root = path.join(import.meta.dirname, '../..');

/*
 * A name with a hyphen is no English word. One that stands as text in an error, a problem or a warning would
 * be the same for a terminal, a workflow and an assistant, which set inputs in different ways.
 */
const names = inputNames.filter((name) => name.includes('-'));
const bare = new RegExp(`(?<![\\w./-])(${names.join('|')})(?![\\w-])`);

/** Keys of a policy, and what is kept with a backup: both have one name for every reader. */
const allowed = [
  'the input project-ref',
  'project-ref for the database to the policy',
  '`project-ref` for the database to the policy',
];

interface Node {
  readonly type?: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

it('errors, problems and warnings name inputs by references', () => {
  const files = globSync('src/**/*.ts', { cwd: root });
  expect(files.length).toBeGreaterThan(500);
  expect(files.flatMap((file) => findBare(file, readFileSync(path.join(root, file), 'utf8')))).toEqual([]);
});

it('finds a name that stands as text', () => {
  const text = 'throw new SourceError(why, "Raise lock-timeout.");';
  expect(findBare('a.ts', text)).toEqual(['a.ts: Raise lock-timeout.']);
  expect(findBare('a.ts', 'log.warn(say`Raise $' + "{nameInput('lock-timeout')}.`)")).toEqual([]);
});

function findBare(file: string, text: string): string[] {
  const found: string[] = [];
  visit(parseAst(text, { lang: 'ts' }) as unknown as Node, false);
  return found;

  function visit(node: Node, isMessage: boolean): void {
    const callee = node.callee as Node | undefined;
    const called = callee === undefined ? '' : text.slice(callee.start, callee.end);
    if (/^(nameInputs?|askFor)$/.test(called)) return;
    const starts =
      (node.type === 'NewExpression' && /(Error|Failure|^Problem)$/.test(called)) ||
      (node.type === 'CallExpression' && /(^|\.)(warn|note|leave|wrong|failing)$/.test(called));
    const inMessage = isMessage || starts;
    const said = textOf(node);
    if (inMessage && said?.includes(' ') && bare.test(said) && !allowed.some((one) => said.includes(one)))
      found.push(`${file}: ${said}`);
    for (const child of Object.values(node).flat())
      if (child !== null && typeof child === 'object') visit(child as Node, inMessage);
  }
}

function textOf(node: Node): string | undefined {
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  return node.type === 'TemplateElement' ? (node.value as { cooked: string }).cooked : undefined;
}
