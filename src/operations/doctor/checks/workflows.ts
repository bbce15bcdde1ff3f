import { nameRepository } from '../../../github/run.ts';
import { GitHubUnreachable, type openWorkflows, type Workflow } from '../../../github/workflows.ts';
import { tellFinding } from '../../../interface/findings/telling.ts';
import type { DoctorInputs } from '../../../interface/inputs/types.ts';
import { formatCounted } from '../../../report/quantity.ts';
import type { Context } from '../../../runtime/context.ts';
import { nameInput, say } from '../../../runtime/wording.ts';
import type { PlannedDatabase } from '../../../schedule/plan/plan.ts';
import type { Verification, WorkflowVerdict } from '../../../schedule/verification/verify.ts';
import { type PlannedWorkflows, planWorkflows, verifyPlanned } from '../../schedule/planned.ts';
import { type Examination, type Finding, failed, ok, unchecked, warning } from '../examination.ts';

type WorkflowInputs = Pick<DoctorInputs, 'policy' | 'workflows' | 'githubToken'>;

/** Checks that GitHub starts what the policy asks for, where a policy or a token is given. Enables nothing. */
export async function checkWorkflows(
  examination: Examination,
  inputs: WorkflowInputs,
  openApi: typeof openWorkflows,
  context: Context,
): Promise<void> {
  const { policy, workflows, githubToken: token } = inputs;
  const planned =
    policy === undefined
      ? undefined
      : await examination.run('policy', () => judgePolicy({ policy, workflows }, context));
  if (policy !== undefined)
    await examination.run('workflows', async () => judgeDrift(planned, workflows), { needs: ['policy'] });
  const repository = planned?.plan.repository ?? nameRepository(context.env);
  if (token === undefined || repository === undefined) {
    if (policy === undefined) return;
    await examination.run('token', async () =>
      unchecked(say`no ${nameInput('github-token')} was given to ask GitHub with`),
    );
    await examination.run('schedules', async () => unchecked('GitHub was not asked'));
    return;
  }
  const known = await examination.run('token', (signal) =>
    judgeToken(openApi, { ...context, signal, repository, token }),
  );
  await examination.run(
    'schedules',
    async (signal) =>
      planned === undefined
        ? judgeDisabled(known ?? [])
        : judgeVerification(
            await verifyPlanned(planned, { token, mayEnable: false }, { ...context, signal }, openApi),
            planned.plan.databases,
          ),
    { needs: policy === undefined ? ['token'] : ['token', 'policy'], limitMs: 120_000 },
  );
}

async function judgePolicy(
  inputs: { policy: string; workflows: string },
  { env }: Pick<Context, 'env'>,
): Promise<Finding<PlannedWorkflows>> {
  const planned = await planWorkflows(inputs, env);
  const { databases, repository } = planned.plan;
  return ok(`${formatCounted(databases.length, 'database')}, for ${repository}`, planned);
}

function judgeDrift(planned: PlannedWorkflows | undefined, folder: string): Finding {
  const wrong = (planned?.changes ?? []).filter(({ state }) => state !== 'same');
  if (wrong.length === 0) return ok(`those in ${folder} are what the policy says`);
  const names = wrong.map(({ file, state }) => `${file} (${state})`).join(', ');
  return failed(
    `those in ${folder} do not match the policy: ${names}`,
    'Run `schedule`, commit what it writes, and merge it into the default branch.',
  );
}

async function judgeToken(
  openApi: typeof openWorkflows,
  settings: Parameters<typeof openWorkflows>[0],
): Promise<Finding<readonly Workflow[]>> {
  try {
    const { repository, token, env, now, signal } = settings;
    const workflows = await openApi({ repository, token, env, now: () => now(), signal }).listWorkflows();
    return ok(`it may read the workflows of ${repository}`, workflows);
  } catch (error) {
    if (!(error instanceof GitHubUnreachable)) throw error;
    return unchecked(`GitHub did not answer: ${error.message}`);
  }
}

/** Without a policy nobody knows which workflows matter: those that GitHub does not start are told. */
function judgeDisabled(known: readonly Workflow[]): Finding {
  const disabled = known.filter(({ state }) => state.startsWith('disabled'));
  const names = disabled.map(({ path }) => path.replace(/^\.github\/workflows\//, ''));
  if (disabled.length === 0) return ok(`${formatCounted(known.length, 'workflow')}, none of them disabled`);
  return warning(
    `GitHub does not start ${names.join(', ')}: disabled`,
    `Enable the workflows that take backups: \`gh workflow enable ${names[0]}\`. GitHub disables schedules after 60 days without activity in the repository.`,
  );
}

function judgeVerification(
  { verdicts, unreachable }: Verification,
  databases: readonly PlannedDatabase[],
): Finding {
  if (unreachable !== undefined) return unchecked(`GitHub did not answer: ${unreachable}`);
  const silent = verdicts.filter(({ state }) => state === 'disabled' || state === 'not on GitHub');
  const tellings = silent.map((verdict) => tellSilent(verdict, databases));
  if (tellings.length > 0)
    return failed(
      tellings.map(({ sentence }) => sentence).join(' '),
      [...new Set(tellings.map(({ remedy }) => remedy))].join(' '),
    );
  const problems = verdicts.flatMap((verdict) => verdict.problems);
  if (problems.length > 0)
    return warning(problems.join(' '), 'Check the page of the workflow under Actions, and start it by hand.');
  const unborn = verdicts.filter(({ state }) => state === 'not pushed yet');
  if (unborn.length > 0)
    return unchecked(`GitHub has other versions of ${formatCounted(unborn.length, 'file')}`);
  return ok(`${formatCounted(verdicts.length, 'workflow')}, all enabled and in time`);
}

function tellSilent({ file, state }: WorkflowVerdict, databases: readonly PlannedDatabase[]) {
  const jobs = databases.flatMap(({ name, jobs }) =>
    jobs.filter((job) => job.file === file).map(({ kind }) => `${kind} of ${name}`),
  );
  return tellFinding<'disabled-schedule'>({
    ...{ kind: 'disabled-schedule', severity: 'warning', workflow: file, jobs },
    state: state === 'not on GitHub' ? state : 'disabled',
    ...{ limit: undefined, measured: undefined, since: undefined },
  });
}
