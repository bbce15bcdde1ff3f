import './process/node-version.ts';
import { trustAuthorities } from '../http/authorities.ts';
import { acceptFormerNames, adviseRename, listFormerNames } from '../interface/inputs/former-names.ts';
import { type Operation, operations } from '../interface/inputs/operations.ts';
import { findUnused, parseInputs } from '../interface/inputs/parse.ts';
import { type InputName, inputs as inputSchema } from '../interface/inputs/schema.ts';
import type { Outcome } from '../interface/outcome.ts';
import { run } from '../operations/run.ts';
import { printableForRunner, printableJson, printableLines } from '../report/printable.ts';
import { createRedactor, type Redact, redactReport } from '../report/redact.ts';
import { renderText } from '../report/text.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { toolName, toolVersion } from '../runtime/version.ts';
import { surviveBrokenPipe } from './process/broken-pipe.ts';
import { endOnDefect, endProcess } from './process/end.ts';
import { tellNegative, toFailure } from './process/failure.ts';
import { abortOnSignals } from './process/interruption.ts';
import { machine } from './process/machine.ts';
import { assertPlatform } from './process/platform.ts';
import { listSecrets } from './process/secrets.ts';
import { createTemporaryFolder } from './process/temporary-folder.ts';
import { type Alarm, createAlarm } from './run-alarm.ts';
import { type Arguments, parseArguments } from './terminal/arguments.ts';
import { environmentName, renderHelp, renderOperationHelp } from './terminal/help.ts';
import { createTerminalLog } from './terminal/log.ts';

const { argv, env, stdout, stderr } = process;
const readEnvironment = acceptFormerNames((name) => env[environmentName(name)]);
/** The command line may run as a step of a workflow. */
const shown = env.GITHUB_ACTIONS === 'true' ? printableForRunner : printableLines;
const width = Math.min(stdout.columns ?? 80, 100);

// `supabase-backup … 2>&1 | head` closes the pipes early, which is no failure, and must not end a run halfway.
surviveBrokenPipe(stdout);
surviveBrokenPipe(stderr);

trustAuthorities(env);
// `mcp` is no operation: it serves an assistant until that hangs up, and prints nothing of its own.
if (argv[2] === 'mcp') import('./mcp.ts');
else main(argv.slice(2)).then(endProcess);

/**
 * Runs the command line. Results go to stdout, everything else to stderr.
 *
 * @returns the exit code
 */
async function main(words: readonly string[]): Promise<number> {
  // `--json` is looked up in the raw words, so that a mistake in the arguments is reported as JSON too.
  const asJson = words.includes('--json');
  let given: Arguments['inputs'] = new Map();
  const read = (name: InputName): string | undefined => given.get(name) ?? readEnvironment(name);
  let redact = createRedactor(listSecrets(read, env));
  let log = createTerminalLog(stderr, { redact, verbose: false, shown });
  let alarm: Alarm | undefined;
  const signal = abortOnSignals(
    (message) => log.warn(message),
    (error) => alarm?.notify({ failure: toFailure(error, signal), error }),
  );

  async function fail(error: unknown): Promise<number> {
    const failure = toFailure(error, signal);
    const { kind, message, next, exitCode, details } = failure;
    log.error(message);
    if (kind === 'Defect') log.info(details);
    else log.debug(details);
    log.info(`→ ${next}`);
    const told = { error: { kind, message: redact(message), next: redact(next), exitCode } };
    if (asJson) print(`${printableJson(told)}\n`);
    await alarm?.notify({ failure, error });
    return exitCode;
  }
  endOnDefect(async (error) => void (await fail(error)));

  try {
    const parsed = parseArguments(words);
    given = parsed.inputs;
    redact = createRedactor(listSecrets(read, env));
    log = createTerminalLog(stderr, { redact, verbose: parsed.switches.has('verbose'), shown });

    if (parsed.switches.has('version')) return print(`${toolName} ${toolVersion}\n`);
    if (parsed.switches.has('help')) return print(helpFor(given.get('operation')));
    if (words.length === 0 && !read('operation')) {
      stderr.write(renderHelp(width));
      return 2;
    }

    assertPlatform(process.platform);
    warnOfExposedSecrets(given, (message) => log.warn(message));
    for (const name of listFormerNames())
      if (parsed.formerNames.has(name) || env[environmentName(name)]) log.warn(adviseRename(name));
    alarm = createAlarm(read, { ...machine, log, redact, signal });
    const inputs = parseInputs(read, env);
    refuseUnused(inputs.operation, given);
    alarm.inputs = inputs;
    alarm.begin();

    const temporaryFolder = createTemporaryFolder();
    const { noteRepository, noteSlot, tryChannels } = alarm;
    const notes = { noteRepository, noteSlot, tryChannels };
    const context = { ...machine, log, redact, signal, temporaryFolder, ...notes };
    const outcome = await run(inputs, context);
    log.clearProgress();
    print(asJson ? renderOutputs(outcome, redact) : shown(renderPrinted(outcome, redact)));
    if (outcome.exitCode === 3) log.error(tellNegative(inputs.operation, outcome));
    await alarm.notify({ outcome });
    return outcome.exitCode;
  } catch (error) {
    return fail(error);
  }
}

function print(text: string): 0 {
  stdout.write(text);
  return 0;
}

function renderPrinted({ printed, report }: Outcome, redact: Redact): string {
  return printed === undefined ? renderText(redactReport(report, redact)) : redact(printed);
}

function renderOutputs({ outputs }: Outcome, redact: Redact): string {
  const shown = Object.entries(outputs).map(([name, value]) => [
    name,
    typeof value === 'string' ? redact(value) : value,
  ]);
  return `${printableJson(Object.fromEntries(shown))}\n`;
}

function helpFor(word: string | undefined): string {
  const operation = operations.find((operation) => operation === word);
  return operation === undefined ? renderHelp(width) : renderOperationHelp(operation, width);
}

function warnOfExposedSecrets(given: Arguments['inputs'], warn: (message: string) => void): void {
  for (const name of given.keys()) {
    if (!inputSchema[name].secret) continue;
    warn(`--${name} is a secret that a list of processes shows; set ${environmentName(name)} instead`);
  }
}

/**
 * Refuses inputs on the command line that the operation does not use, because a user expects each to have an
 * effect. The environment may serve several operations.
 *
 * @throws ConfigurationError
 */
function refuseUnused(operation: Operation, given: Arguments['inputs']): void {
  const unused = findUnused(operation, (name) => given.get(name));
  if (unused.length === 0) return;
  throw new ConfigurationError(
    `${operation} does not use ${unused.map((name) => `--${name}`).join(', ')}`,
    `Leave it out; \`supabase-backup ${operation} --help\` lists what it uses.`,
  );
}
