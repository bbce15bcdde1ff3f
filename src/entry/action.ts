import './process/node-version.ts';
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import * as core from '@actions/core';
import { stepState, stepVariable } from '../github/step.ts';
import { trustAuthorities } from '../http/authorities.ts';
import { acceptFormerNames, adviseRename, listFormerNames } from '../interface/inputs/former-names.ts';
import { findUnused, parseInputs } from '../interface/inputs/parse.ts';
import type { Outcome } from '../interface/outcome.ts';
import { run } from '../operations/run.ts';
import { fitSummary, renderMarkdown } from '../report/markdown.ts';
import { printableForRunner } from '../report/printable.ts';
import { createMasks, redactReport } from '../report/redact.ts';
import { renderText } from '../report/text.ts';
import { endOnDefect, endProcess } from './process/end.ts';
import { tellNegative, toFailure } from './process/failure.ts';
import { abortOnSignals } from './process/interruption.ts';
import { machine } from './process/machine.ts';
import { assertPlatform } from './process/platform.ts';
import { createRunnerLog } from './process/runner-log.ts';
import { nameOnRunner } from './process/runner-surface.ts';
import { listSecrets } from './process/secrets.ts';
import { createTemporaryFolder } from './process/temporary-folder.ts';
import { type Alarm, createAlarm } from './run-alarm.ts';

const { env } = machine;
const read = acceptFormerNames((name) => core.getInput(name));

trustAuthorities(env);
main().then(() => {
  core.saveState(stepState.ended, 'true');
  endProcess();
});

async function main(): Promise<void> {
  // The secrets are masked before anything is printed.
  const secrets = listSecrets(read, env);
  for (const secret of secrets) core.setSecret(secret);
  const masks = createMasks(secrets);
  const { redact } = masks;
  const mask = (secret: string) => {
    core.setSecret(secret);
    masks.add(secret);
  };
  // post.ts needs these if this process is killed.
  env[stepVariable] = randomUUID();
  core.saveState(stepState.step, env[stepVariable]);

  const log = createRunnerLog(redact);
  let alarm: Alarm | undefined;
  const signal = abortOnSignals(log.warn, (error) =>
    alarm?.notify({ failure: toFailure(error, signal, nameOnRunner), error }),
  );
  async function fail(error: unknown): Promise<void> {
    const failure = toFailure(error, signal, nameOnRunner);
    const { kind, message, next, details } = failure;
    if (kind === 'Defect') log.info(details);
    else log.debug(details);
    core.setFailed(printableForRunner(redact(`${message}\n→ ${next}`)));
    writeSummary([
      { kind: 'heading', text: redact(`${read('operation') || 'supabase-backup'} failed`), tone: 'bad' },
      { kind: 'paragraph', text: redact(`${message}\n${next}`) },
    ]);
    await alarm?.notify({ failure, error });
    noteAnnounced(alarm);
  }
  endOnDefect(fail);
  try {
    assertPlatform(process.platform);
    alarm = createAlarm(read, { ...machine, log, redact, mask, signal });
    const inputs = parseInputs(read, env);
    const { operation } = inputs;
    alarm.inputs = inputs;
    alarm.begin();
    for (const name of listFormerNames()) if (core.getInput(name)) log.warn(adviseRename(name));
    for (const name of findUnused(operation, read)) log.warn(`${operation} does not use the input ${name}`);

    const temporaryFolder = createTemporaryFolder(env.RUNNER_TEMP);
    const { noteRepository, noteSlot, tryChannels } = alarm;
    const notes = { noteRepository, noteSlot, tryChannels };
    const context = { ...machine, log, redact, mask, signal, temporaryFolder, ...notes };
    const outcome = await run(inputs, context);
    const { printed } = outcome;
    report({
      ...outcome,
      report: redactReport(outcome.report, redact),
      ...(printed === undefined ? {} : { printed: redact(printed) }),
    });
    if (outcome.exitCode === 3)
      core.setFailed(printableForRunner(redact(`${operation}: ${tellNegative(operation, outcome)}`)));
    await alarm.notify({ outcome });
    if (outcome.exitCode === 3) noteAnnounced(alarm);
  } catch (error) {
    await fail(error);
  }
}

/**
 * Sets the output `announced`, so that a later job of the operation `alarm` does not raise the alarm again.
 */
function noteAnnounced(alarm: Alarm | undefined): void {
  if (alarm !== undefined) core.setOutput('announced', 'true');
}

function report(outcome: Outcome): void {
  core.info(printableForRunner(outcome.printed ?? renderText(outcome.report)));
  for (const [name, value] of Object.entries(outcome.outputs)) core.setOutput(name, value);
  writeSummary(outcome.report);
}

/** Appends to the summary, with an empty line, without which a fold would go on into what follows. A runner without summaries is no reason to fail. */
function writeSummary(report: Outcome['report']): void {
  if (env.GITHUB_STEP_SUMMARY)
    appendFileSync(env.GITHUB_STEP_SUMMARY, fitSummary(`${renderMarkdown(report)}\n`));
}
