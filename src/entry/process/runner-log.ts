import * as core from '@actions/core';
import { printableForRunner } from '../../report/printable.ts';
import type { Redact } from '../../report/redact.ts';
import type { Log } from '../../runtime/context.ts';
import { renderWording } from '../../runtime/wording.ts';
import { ProgressPacer } from './progress-pacer.ts';
import { nameOnRunner } from './runner-surface.ts';

/**
 * The log of a GitHub runner: lines fold under groups, and warnings and errors become annotations. No text in
 * a message becomes a command of the runner. Secrets are replaced first: the runner masks them too, but does
 * not recognize them once their special characters are escaped.
 */
export function createRunnerLog(redact: Redact): Log {
  const pacer = new ProgressPacer();
  const show = (text: string): string => printableForRunner(redact(text));
  return {
    debug: (message) => core.debug(show(message)),
    info: (message) => core.info(show(message)),
    warn: (message) => core.warning(show(renderWording(message, nameOnRunner))),
    error: (message) => core.error(show(message)),
    group: (title, body) => core.group(show(title), body),
    progress: (line) => {
      if (pacer.isDue()) core.info(show(line));
    },
  };
}
