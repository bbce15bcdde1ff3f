import './process/node-version.ts';
import { trustAuthorities } from '../http/authorities.ts';
import { acceptFormerNames, adviseRename, listFormerNames } from '../interface/inputs/former-names.ts';
import { quoteWord } from '../interface/inputs/values.ts';
import { printableLines } from '../report/printable.ts';
import { createMasks } from '../report/redact.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { serve } from './mcp/serve.ts';
import { nameForAssistant } from './mcp/surface.ts';
import { surviveBrokenPipe } from './process/broken-pipe.ts';
import { endOnDefect, endProcess, forceEnd } from './process/end.ts';
import { toFailure } from './process/failure.ts';
import { abortOnSignals } from './process/interruption.ts';
import { machine } from './process/machine.ts';
import { assertPlatform } from './process/platform.ts';
import { listSecrets } from './process/secrets.ts';
import { createTemporaryFolder } from './process/temporary-folder.ts';
import { environmentName, renderServerHelp } from './terminal/help.ts';
import { createTerminalLog, type TerminalLog } from './terminal/log.ts';
import { adviseVariables } from './terminal/variables.ts';

/*
 * The way in for assistants: a server of the Model Context Protocol on stdin and stdout. Database, storage and
 * keys come from the environment, as those of the command line do.
 */

const { argv, env, stderr } = process;
/** How long runs may take to end when the client has hung up; hosts kill a server a few seconds after that. */
const hangUp = { orderlyMs: 10_000, latestMs: 12_000 } as const;

/** What starts a server sets variables alone. */
const nameHere = nameForAssistant([]);
const read = acceptFormerNames((name) => env[environmentName(name)]);
const { redact, add: mask } = createMasks(listSecrets(read, env));
const words = argv.slice(2).filter((word, index) => index > 0 || word !== 'mcp');
const log = createTerminalLog(stderr, {
  redact,
  verbosity: words.includes('--verbose') ? 'verbose' : 'normal',
  shown: printableLines,
  name: nameHere,
});

// A client that dies takes stderr with it, and what it had started is to be stopped in order.
surviveBrokenPipe(stderr);
trustAuthorities(env);
if (words.includes('--help') || words.includes('-h')) stderr.write(renderServerHelp(80));
else start(log);

function start(log: TerminalLog): void {
  const signal = abortOnSignals(
    (message) => log.warn(message),
    (interruption) => serving?.runs.notifyStopped(interruption),
  );
  const tell = (error: unknown) => {
    const failure = toFailure(error, signal, nameHere);
    log.fail(failure);
    return failure.exitCode;
  };
  endOnDefect(async (error) => void tell(error));
  let serving: ReturnType<typeof serve> | undefined;
  try {
    assertPlatform(process.platform);
    refuseWords(words);
    for (const advice of adviseVariables(env)) log.warn(advice);
    for (const name of listFormerNames()) if (env[environmentName(name)]) log.warn(adviseRename(name));
    const context = { ...machine, log, redact, mask, signal, temporaryFolder: createTemporaryFolder() };
    serving = serve({ context, read, process });
    const { close, left, ended } = serving;
    if (process.stdin.isTTY)
      log.info('Waiting for an assistant on stdin. `supabase-backup mcp --help` says more.');
    signal.addEventListener('abort', () => void close(), { once: true });
    left.then(() => forceEnd(129, hangUp, () => undefined));
    ended.then(() => endProcess(0));
  } catch (error) {
    endProcess(tell(error));
  }
}

/** @throws ConfigurationError for inputs on the command line, where others could read a secret */
function refuseWords(words: readonly string[]): void {
  const [odd] = words.filter((word) => word !== '--verbose');
  if (odd === undefined) return;
  throw new ConfigurationError(
    `mcp takes no inputs on the command line, but ${quoteWord(odd.replace(/^--?/, '').replace(/=.*$/s, ''))} is written there`,
    'Set them in the environment: --storage as SUPABASE_BACKUP_STORAGE, and so on.',
  );
}
