import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CliOptions, type Finished, startBundle } from './run-cli.ts';

export interface ActionRun extends Finished {
  /** Lines of stdout, where a runner reads its commands. */
  readonly lines: readonly string[];
  /** What GITHUB_OUTPUT came to hold. */
  readonly outputs: ReadonlyMap<string, string>;
  /** The same, as written. */
  readonly outputText: string;
  readonly summary: string;
  /** What the run has left in RUNNER_TEMP. */
  readonly leftInRunnerTemp: readonly string[];
}

/** Runs dist/index.cjs as a runner does: inputs in INPUT_…, files for outputs and the summary, a temporary folder. */
export async function runAction(
  inputs: Readonly<Record<string, string>>,
  options: CliOptions = {},
): Promise<ActionRun> {
  const folder = mkdtempSync(join(tmpdir(), 'scenario-runner-'));
  const files = { GITHUB_OUTPUT: join(folder, 'output'), GITHUB_STEP_SUMMARY: join(folder, 'summary') };
  const runnerTemp = join(folder, 'temp');
  mkdirSync(runnerTemp);
  for (const file of Object.values(files)) writeFileSync(file, '');
  const given = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
  const run = await startBundle('index.cjs', [], {
    cwd: folder,
    ...options,
    env: {
      GITHUB_WORKSPACE: folder,
      RUNNER_TEMP: runnerTemp,
      ...files,
      ...Object.fromEntries(given),
      ...options.env,
    },
  }).finished;
  const outputText = readFileSync(files.GITHUB_OUTPUT, 'utf8');
  const result = {
    ...run,
    lines: run.stdout.split('\n'),
    outputs: parseOutputs(outputText),
    outputText,
    summary: existsSync(files.GITHUB_STEP_SUMMARY) ? readFileSync(files.GITHUB_STEP_SUMMARY, 'utf8') : '',
    leftInRunnerTemp: readdirSync(runnerTemp),
  };
  rmSync(folder, { recursive: true, force: true });
  return result;
}

/** Reads `name<<delimiter`, lines, `delimiter`, and nothing else: the form that no value can break out of. */
function parseOutputs(text: string): Map<string, string> {
  const outputs = new Map<string, string>();
  const lines = text.split('\n');
  while (lines.length > 1) {
    const [, name, delimiter] = /^([^<]+)<<(\S+)$/.exec(lines.shift() ?? '') ?? [];
    if (name === undefined || delimiter === undefined) throw new Error(`not a heredoc:\n${text}`);
    const end = lines.indexOf(delimiter);
    if (end < 0) throw new Error(`the output ${name} does not end:\n${text}`);
    outputs.set(
      name,
      lines
        .splice(0, end + 1)
        .slice(0, -1)
        .join('\n'),
    );
  }
  return outputs;
}
