import './process/node-version.ts';
import { trustAuthorities } from '../http/authorities.ts';
import { acceptFormerNames } from '../interface/inputs/former-names.ts';
import { operations } from '../interface/inputs/operations.ts';
import { parseInputs } from '../interface/inputs/parse.ts';
import type { InputName } from '../interface/inputs/schema.ts';
import type { Outcome } from '../interface/outcome.ts';
import { run } from '../operations/run.ts';
import { printableForRunner, printableLines } from '../report/printable.ts';
import { createMasks, redactReport } from '../report/redact.ts';
import { renderText } from '../report/text.ts';
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
import { renderCompletion } from './terminal/completion/completion.ts';
import { type Configuration, configure } from './terminal/configuration.ts';
import { chooseVerbosity, explainAlias, listAdvice, refuseUnused } from './terminal/given.ts';
import { environmentName, renderHelp, renderOperationHelp } from './terminal/help.ts';
import { renderFailure, renderOutcome, type Writing } from './terminal/json.ts';
import { createTerminalLog, type Verbosity } from './terminal/log.ts';
import { createPaint } from './terminal/paint.ts';
import { createAsk } from './terminal/questions.ts';
import { nameInTerminal } from './terminal/surface.ts';

const { argv, env, stdout, stderr } = process;
const readEnvironment = acceptFormerNames((name) => env[environmentName(name)]);
/** The command line may run as a step of a workflow. */
const isRunner = env.GITHUB_ACTIONS === 'true';
const shown = isRunner ? printableForRunner : printableLines;
const width = Math.min(stdout.columns || 80, 100);
/** A pipe or a file gets lines as long as what they hold, for programs that read them. */
const screen = {
  width: stdout.isTTY ? stdout.columns || 80 : undefined,
  ...(isRunner ? {} : { paint: createPaint(stdout) }),
};

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
  const asJson = words.some((word) => /^--json(?:=|$)/.test(word));
  const render = asJson ? renderOutcome : renderPrinted;
  let given: Arguments['inputs'] = new Map();
  const nameHere = nameInTerminal((name) => given.has(name), env);
  const readGiven = (name: InputName): string | undefined => given.get(name) ?? readEnvironment(name);
  let configuration: Configuration | undefined;
  const read = (name: InputName): string | undefined => readGiven(name) || configuration?.values.get(name);
  let { redact, add: mask } = createMasks(listSecrets(read, env));
  const open = (verbosity: Verbosity) =>
    createTerminalLog(stderr, { redact, verbosity, shown, name: nameHere, paint: createPaint(stderr) });
  let log = open('normal');
  let alarm: Alarm | undefined;
  /** More secrets are known once more has been read. */
  function renewLog(verbosity: Verbosity): void {
    ({ redact, add: mask } = createMasks(listSecrets(read, env)));
    log = open(verbosity);
  }
  const signal = abortOnSignals(
    (message) => log.warn(message),
    (error) => alarm?.notify({ failure: toFailure(error, signal, nameHere), error }),
  );

  async function fail(error: unknown): Promise<number> {
    const failure = toFailure(error, signal, nameHere);
    log.fail(failure);
    if (asJson) print(renderFailure(readGiven('operation') ?? words[0], failure, { redact, name: nameHere }));
    await alarm?.notify({ failure, error });
    return failure.exitCode;
  }
  endOnDefect(async (error) => void (await fail(error)));

  try {
    if (words[0] === 'completion') return print(renderCompletion(words.slice(1)));
    const parsed = parseArguments(words);
    given = parsed.inputs;
    renewLog(chooseVerbosity(parsed));
    const answered = answerAtOnce(words, parsed);
    if (answered !== undefined) return answered;

    assertPlatform(process.platform);
    for (const advice of listAdvice(parsed, env)) log.warn(advice);
    configuration = await configure(parsed, readGiven, log, process);
    renewLog(chooseVerbosity(parsed));
    explainAlias(parsed, readGiven, (message) => log.info(message));
    alarm = createAlarm(read, { ...machine, log, redact, mask, signal });
    const inputs = parseInputs(read, env);
    refuseUnused(inputs.operation, given, configuration);
    alarm.inputs = inputs;
    alarm.begin();

    const ask = createAsk(process.stdin, stderr, signal);
    const context = { ...machine, log, redact, mask, signal, ...prepareRun(alarm), ask };
    const outcome = await run(inputs, context);
    log.clearProgress();
    print(render(inputs.operation, outcome, { redact, name: nameHere }));
    if (outcome.exitCode === 3) log.error(tellNegative(inputs.operation, outcome, nameHere));
    await alarm.notify({ outcome });
    return outcome.exitCode;
  } catch (error) {
    return fail(error);
  }
}

/** What a run has of its own: a folder that goes with it, and what it tells the alarm. */
function prepareRun({ noteRepository, noteSlot, tryChannels }: Alarm) {
  return { temporaryFolder: createTemporaryFolder(), noteRepository, noteSlot, tryChannels };
}

/** Answers what needs no operation; returns the exit code, or undefined where there is an operation to run. */
function answerAtOnce(words: readonly string[], { switches, inputs }: Arguments): number | undefined {
  if (switches.has('version')) return print(`${toolName} ${toolVersion}\n`);
  if (switches.has('help')) return print(helpFor(inputs.get('operation')));
  if (words.length > 0 || readEnvironment('operation')) return undefined;
  stderr.write(renderHelp(width));
  return 2;
}

function print(text: string): 0 {
  stdout.write(text);
  return 0;
}

function renderPrinted(_operation: string, { printed, report }: Outcome, { redact, name }: Writing): string {
  if (printed !== undefined) return shown(redact(printed));
  const text = renderText(redactReport(report, redact, name), screen);
  // Of a report, all that came from elsewhere is printable already, and colours are to stay. On a screen, progress
  // stands right above it.
  return isRunner ? shown(text) : stdout.isTTY && stderr.isTTY ? `\n${text}` : text;
}

function helpFor(word: string | undefined): string {
  const operation = operations.find((operation) => operation === word);
  return operation === undefined ? renderHelp(width) : renderOperationHelp(operation, width);
}
