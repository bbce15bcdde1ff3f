import { displayWidth } from '../../report/display-width.ts';
import { printable } from '../../report/printable.ts';
import type { Redact } from '../../report/redact.ts';
import type { Log } from '../../runtime/context.ts';
import { ProgressPacer } from '../process/progress-pacer.ts';

interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface TerminalLog extends Log {
  /** Removes the progress line, before something else writes to the same screen. */
  clearProgress(): void;
}

/**
 * The log of the command line, on stderr. Every secret is replaced: messages should hold none, and no runner
 * masks them here.
 */
export function createTerminalLog(
  stream: Terminal,
  options: {
    redact: Redact;
    verbose: boolean;
    /** Makes a text of several lines printable */
    shown: (text: string) => string;
    now?: () => number;
  },
): TerminalLog {
  const { redact } = options;
  const pacer = new ProgressPacer(options.now);
  let hasProgress = false;

  const clearProgress = (): void => {
    if (hasProgress) stream.write('\r\x1b[2K');
    hasProgress = false;
  };
  const print = (text: string): void => {
    clearProgress();
    stream.write(`${options.shown(redact(text))}\n`);
  };
  // Later lines of a message are indented, so that they are not taken for messages of their own.
  const printMessage = (kind: string, text: string): void =>
    print(`${kind}: ${text.replaceAll('\n', '\n  ')}`);

  return {
    debug: (message) => {
      if (options.verbose) print(`debug: ${message}`);
    },
    info: print,
    warn: (message) => printMessage('warning', message),
    error: (message) => printMessage('error', message),
    group: async (title, body) => {
      print(title);
      return body();
    },
    progress: (line) => {
      if (!stream.isTTY) {
        if (pacer.isDue()) print(line);
        return;
      }
      // A line that wraps could not be removed again, so it is cut.
      clearProgress();
      stream.write(cut(printable(redact(line)), (stream.columns ?? 80) - 1));
      hasProgress = true;
    },
    clearProgress,
  };
}

function cut(text: string, columns: number): string {
  let kept = text;
  while (displayWidth(kept) > columns) kept = kept.slice(0, -1);
  return kept;
}
