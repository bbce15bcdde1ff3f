import * as core from '@actions/core';
import { printableForRunner } from '../../report/printable.ts';
import type { Mask } from '../../report/redact.ts';
import type { Log } from '../../runtime/context.ts';
import { ProgressPacer } from './progress-pacer.ts';

/**
 * The log of a GitHub runner: lines fold under groups, warnings and errors become annotations. Nothing that a message holds becomes a
 * command of the runner. Secrets are replaced before: the runner masks them, too, but not as they are once their signs have been escaped.
 */
export function createRunnerLog(mask: Mask): Log {
  const pacer = new ProgressPacer();
  const show = (text: string): string => printableForRunner(mask(text));
  return {
    debug: (message) => core.debug(show(message)),
    info: (message) => core.info(show(message)),
    warn: (message) => core.warning(show(message)),
    error: (message) => core.error(show(message)),
    group: (title, body) => core.group(show(title), body),
    progress: (line) => {
      if (pacer.isDue()) core.info(show(line));
    },
  };
}
