import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { convertWorkflowTemplate, parseWorkflow } from '@actions/workflow-parser';
import { build } from 'esbuild';
import { pin } from './files.ts';

interface Parser {
  readonly parseWorkflow: typeof parseWorkflow;
  readonly convertWorkflowTemplate: typeof convertWorkflowTemplate;
  readonly parseAction: typeof parseWorkflow;
  readonly Lexer: new (text: string) => { lex(): { tokens: unknown[] } };
  readonly Parser: new (tokens: unknown[], contexts: string[], functions: unknown[]) => { parse(): unknown };
  readonly Evaluator: new (
    expression: unknown,
    context: unknown,
  ) => { evaluate(): { coerceString(): string } };
  readonly data: {
    readonly Dictionary: new (...pairs: { key: string; value: unknown }[]) => unknown;
    readonly StringData: new (text: string) => unknown;
    readonly BooleanData: new (value: boolean) => unknown;
  };
}

export interface Checker {
  /** What GitHub's own parser finds wrong with a workflow, and with what it passes to our reusable workflows */
  checkWorkflow(name: string, content: string): Promise<string[]>;
  checkAction(name: string, content: string): string[];
  /** The value of an expression, written with or without its braces */
  evaluate(expression: string, contexts: Contexts): string;
}

export interface Contexts {
  readonly [name: string]: Contexts | string | boolean;
}

const root = path.join(import.meta.dirname, '..', '..');
const library = path.join(root, 'node_modules', '@actions', 'workflow-parser', 'dist');

/** The package imports JSON in a way that Node refuses, so that it is bundled first. */
export async function openParser(): Promise<Checker> {
  const folder = mkdtempSync(path.join(tmpdir(), 'workflow-parser-'));
  try {
    const outfile = path.join(folder, 'parser.mjs');
    const contents = `
      export { parseWorkflow, convertWorkflowTemplate } from '@actions/workflow-parser';
      export { parseAction } from ${JSON.stringify(path.join(library, 'actions', 'action-parser.js'))};
      export { Lexer, Parser, Evaluator, data } from '@actions/expressions';`;
    await build({
      stdin: { contents, resolveDir: root },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    });
    return makeChecker(await import(pathToFileURL(outfile).href));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function makeChecker(parser: Parser): Checker {
  const silent = { error() {}, info() {}, verbose() {} };
  return {
    async checkWorkflow(name, content) {
      const { context, value } = parser.parseWorkflow({ name, content }, silent);
      // Conversion looks at what the schema cannot: needs, calls of other workflows.
      const errors =
        value === undefined
          ? []
          : ((
              await parser.convertWorkflowTemplate(
                context,
                value,
                { getFileContent: async (reference) => readReference(reference) },
                { fetchReusableWorkflowDepth: 1, errorPolicy: 1 },
              )
            ).errors ?? []);
      const messages = [...context.errors.getErrors(), ...errors].map(
        (error) => (error as { Message?: string; message?: string }).Message ?? String(error),
      );
      return [...new Set(messages)];
    },
    checkAction(name, content) {
      const { context } = parser.parseAction({ name, content }, silent);
      return context.errors.getErrors().map((error) => error.message);
    },
    evaluate(expression, contexts) {
      const text = expression.trim().replace(/^\$\{\{|\}\}$/g, '');
      const { tokens } = new parser.Lexer(text).lex();
      const tree = new parser.Parser(tokens, Object.keys(contexts), []).parse();
      return new parser.Evaluator(tree, toData(contexts, parser)).evaluate().coerceString();
    },
  };
}

/** Our reusable workflows are those of this commit, wherever an example says they are. */
function readReference(reference: { path: string; owner?: string; repository?: string }) {
  if (`${reference.owner}/${reference.repository}` !== pin.action)
    throw new Error(`${reference.path} is not ours`);
  return { name: reference.path, content: readFileSync(path.join(root, reference.path), 'utf8') };
}

function toData(value: Contexts[string], parser: Parser): unknown {
  const { Dictionary, StringData, BooleanData } = parser.data;
  if (typeof value === 'string') return new StringData(value);
  if (typeof value === 'boolean') return new BooleanData(value);
  return new Dictionary(
    ...Object.entries(value).map(([key, inner]) => ({ key, value: toData(inner, parser) })),
  );
}
