import { displayWidth } from '../../report/display-width.ts';
import { printable } from '../../report/printable.ts';
import type { Redact } from '../../report/redact.ts';
import { wrapLines } from '../../report/wrap.ts';
import type { Log } from '../../runtime/context.ts';
import { type NameInput, nameForWorkflow, renderWording } from '../../runtime/wording.ts';
import type { Failure } from '../process/failure.ts';
import { ProgressPacer } from '../process/progress-pacer.ts';
import type { Paint } from './paint.ts';

interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface TerminalLog extends Log {
  /** Prints a failure and what to do about it, whatever the verbosity. */
  fail(failure: Failure): void;
  /** Removes the progress line, before something else writes to the same screen. */
  clearProgress(): void;
}

/** How much is printed: `quiet` leaves out all but warnings and errors, `verbose` adds debugging lines */
export type Verbosity = 'quiet' | 'normal' | 'verbose';

/**
 * The log of the command line, on stderr. Every secret is replaced: messages should hold none, and no runner
 * masks them here.
 */
export function createTerminalLog(
  stream: Terminal,
  options: {
    redact: Redact;
    verbosity: Verbosity;
    /** Makes a text of several lines printable */
    shown: (text: string) => string;
    /** Writes the inputs that a message names */
    name?: NameInput;
    paint?: Paint;
    now?: () => number;
  },
): TerminalLog {
  const { redact, paint = (text: string) => text } = options;
  const isQuiet = options.verbosity === 'quiet';
  const pacer = new ProgressPacer(options.now);
  let hasProgress = false;

  const clearProgress = (): void => {
    if (hasProgress) stream.write('\r\x1b[2K');
    hasProgress = false;
  };
  const print = (text: string): void => {
    clearProgress();
    stream.write(`${wrapHere(options.shown(redact(text)))}\n`);
  };
  const wrapHere = (text: string): string => (stream.isTTY ? wrapLines(text, stream.columns || 80) : text);
  // Later lines of a message are indented, so that they are not taken for messages of their own.
  const printMessage = (kind: 'error' | 'warning', text: string): void => {
    clearProgress();
    const message = options.shown(redact(text.replaceAll('\n', '\n  ')));
    const shown = wrapHere(`${kind}: ${message}`).slice(kind.length + 1);
    stream.write(`${paint(`${kind}:`, kind === 'error' ? 'bad' : 'warning')}${shown}\n`);
  };

  return {
    debug: (message) => {
      if (options.verbosity === 'verbose') print(`debug: ${message}`);
    },
    info: (message) => {
      if (!isQuiet) print(message);
    },
    warn: (message) => printMessage('warning', renderWording(message, options.name ?? nameForWorkflow)),
    error: (message) => printMessage('error', message),
    group: async (title, body) => {
      if (!isQuiet) print(title);
      return body();
    },
    progress: (line) => {
      if (isQuiet) return;
      if (!stream.isTTY) {
        if (pacer.isDue()) print(line);
        return;
      }
      // A line that wraps could not be removed again, so it is cut.
      clearProgress();
      stream.write(cut(printable(redact(line)), (stream.columns || 80) - 1));
      hasProgress = true;
    },
    fail: ({ kind, message, next, details }) => {
      printMessage('error', message);
      if (kind === 'Defect') print(details);
      else if (options.verbosity === 'verbose') print(`debug: ${details}`);
      print(`→ ${next}`);
    },
    clearProgress,
  };
}

function cut(text: string, columns: number): string {
  let kept = text;
  while (displayWidth(kept) > columns) kept = kept.slice(0, -1);
  return kept;
}
