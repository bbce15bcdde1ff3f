import * as core from '@actions/core';
import { printableForRunner } from '../report/printable.ts';
import type { Log } from '../world.ts';
import { ProgressPacer } from './progress-pacer.ts';

/**
 * The log of a GitHub runner: lines fold under groups, warnings and errors become annotations, the runner masks secrets. Nothing that a
 * message holds becomes a command of the runner.
 */
export function createRunnerLog(): Log {
  const pacer = new ProgressPacer();
  return {
    debug: (message) => core.debug(printableForRunner(message)),
    info: (message) => core.info(printableForRunner(message)),
    warn: (message) => core.warning(printableForRunner(message)),
    error: (message) => core.error(printableForRunner(message)),
    group: (title, body) => core.group(printableForRunner(title), body),
    progress: (line) => {
      if (pacer.isDue()) core.info(printableForRunner(line));
    },
  };
}
