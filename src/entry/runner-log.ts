import * as core from '@actions/core';
import type { Log } from '../world.ts';
import { ProgressPacer } from './progress-pacer.ts';

/** The log of a GitHub runner: lines fold under groups, warnings and errors become annotations, the runner masks secrets. */
export function createRunnerLog(): Log {
  const pacer = new ProgressPacer();
  return {
    debug: core.debug,
    info: core.info,
    warn: (message) => core.warning(message),
    error: (message) => core.error(message),
    group: core.group,
    progress: (line) => {
      if (pacer.isDue()) core.info(line);
    },
  };
}
