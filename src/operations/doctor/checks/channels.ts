import { GitHubApi, GitHubFailure } from '../../../github/api.ts';
import { Issues } from '../../../github/issues.ts';
import { isRepository, nameRepository } from '../../../github/run.ts';
import type { ChannelInput } from '../../../interface/inputs/operations.ts';
import type { DoctorInputs } from '../../../interface/inputs/types.ts';
import type { ChannelAnswer, Context } from '../../../runtime/context.ts';
import { nameInput, say } from '../../../runtime/wording.ts';
import { type Examination, type Finding, failed, ok, unchecked, warning } from '../examination.ts';

type ChannelInputs = Pick<DoctorInputs, 'channels' | 'lacksMailServer' | 'testAlarm' | 'githubToken'>;

/**
 * Checks the channels of alarms. That their inputs are well-formed is known by now: a mistake in one is refused
 * before anything begins. A test message is sent only where it was asked for.
 */
export async function checkChannels(
  examination: Examination,
  inputs: ChannelInputs,
  context: Context,
): Promise<void> {
  let answers: Promise<readonly ChannelAnswer[]> | undefined;
  for (const name of inputs.channels) {
    await examination.run(name, async (signal) => {
      if (name === 'failure-issues') return judgeIssues(inputs, { ...context, signal });
      if (name === 'mail-to' && inputs.lacksMailServer)
        return warning(
          say`${nameInput('mail-to')} is set, and ${nameInput('smtp-url')} is not: no mail is sent`,
          say`Set ${nameInput('smtp-url')}, or leave ${nameInput('mail-to')} out.`,
        );
      if (name === 'heartbeat-url') return judgeHeartbeat(inputs);
      if (!inputs.testAlarm)
        return ok(
          say`well-formed; nothing was sent (${nameInput('test-alarm', 'true')} sends a test message)`,
        );
      // One message to each, however many of them are told here.
      answers ??= context.tryChannels?.();
      return judgeAnswer(name, (await answers) ?? []);
    });
  }
}

function judgeAnswer(name: ChannelInput, answers: readonly ChannelAnswer[]): Finding {
  const answer = answers.find(({ input }) => input === name);
  if (answer === undefined) return unchecked('there was nothing to send');
  if (answer.failure === undefined) return ok('a test message was accepted');
  return failed(say`the test message was not accepted: ${answer.failure.message}`, answer.failure.next);
}

function judgeHeartbeat({ testAlarm }: ChannelInputs): Finding {
  return testAlarm
    ? unchecked('it was not called, because the service would take the call for a successful backup')
    : ok('well-formed; it was not called');
}

/** Asks whether issues can be read; that they can be written shows only an issue. */
async function judgeIssues(
  { githubToken: token }: ChannelInputs,
  { env, now, signal }: Context,
): Promise<Finding> {
  const repository = nameRepository(env);
  if (token === undefined)
    return failed(
      say`${nameInput('failure-issues')} is true, and there is no ${nameInput('github-token')}`,
      say`Set ${nameInput('github-token')}, or ${nameInput('failure-issues')} to false.`,
    );
  if (repository === undefined || !isRepository(repository))
    return unchecked('the repository is unknown: GITHUB_REPOSITORY is not set');
  const api = new GitHubApi({ token, env, now: () => now(), signal, timeoutMs: 20_000, delayMs: 500 });
  try {
    await new Issues(api, repository).list({ state: 'open' }, 1);
    return ok(
      `issues of ${repository} can be read; that they can be written (issues: write) shows the first`,
    );
  } catch (error) {
    if (!(error instanceof GitHubFailure)) throw error;
    if (error.status === 0 || error.status >= 500 || error.rateLimited)
      return unchecked(`GitHub did not answer: ${error.message}`);
    return failed(
      `issues of ${repository} cannot be read: ${error.message}`,
      error.status === 410
        ? say`Enable issues in the settings of the repository, or set ${nameInput('failure-issues')} to false.`
        : say`Add "issues: write" to the "permissions:" of the job, or set ${nameInput('failure-issues')} to false.`,
    );
  }
}
