import { lstat, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { InitInputs } from '../../interface/inputs/setup-types.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { isHosted, type SchedulePlan } from '../../schedule/plan/plan.ts';
import { planPolicyText } from '../../schedule/plan/policy-file.ts';
import { estimateMonth } from '../../schedule/plan/week.ts';
import { applyChanges, type FileChange } from '../../schedule/workflows/files.ts';
import { chooseKeyFiles, generateKey, refuseRunner, storeKey } from '../keygen/make-key.ts';
import type { MadeKey } from '../keygen/result.ts';
import { compareWorkflows } from '../schedule/planned.ts';
import { type Answers, settleAnswers } from './answers.ts';
import { countArtifacts, listSecretsToSet } from './left-to-do.ts';
import { placeOf, renderPolicy } from './policy-text.ts';
import type { SetUp } from './result.ts';

/**
 * Sets a repository up: key and recovery sheet, policy, workflows. Everything is checked before the first file
 * is written, and none is written over. A dry run writes nothing.
 *
 * @throws ConfigurationError when something is missing, wrong or there already
 */
export async function setUp(inputs: InitInputs, context: Context): Promise<SetUp> {
  refuseRunner('init', context);
  await refusePolicy(inputs.policy);
  const answers = await settleAnswers(inputs, context);
  const key = await prepareKey(inputs, answers, context);
  const recipients = key === undefined ? inputs.encryptionRecipients : [key.pair.recipient];
  const policyText = renderPolicy(answers, recipients);
  const planned = planPolicyText(policyText, inputs.policy, answers.repository);
  const { plan, changes } = await compareWorkflows(planned, inputs);
  const workflows = refuseForeign(changes);
  const { dryRun } = inputs;
  const made = key === undefined || dryRun ? undefined : await key.store();
  if (!dryRun) {
    await writePolicy(inputs.policy, policyText, made);
    await applyChanges(changes, inputs.workflows);
  }
  const now = context.now();
  return {
    isDryRun: dryRun,
    policy: inputs.policy,
    policyText:
      key !== undefined && dryRun
        ? policyText.replaceAll(key.pair.recipient, 'age1… # of the key')
        : policyText,
    workflows,
    key: made ?? (key && { ...key.files, recipient: '' }),
    secrets: listSecretsToSet(answers, key?.files.keyFile),
    minutes: isHosted(plan.runsOn) ? sumMinutes(plan, now) : undefined,
    artifacts: countArtifacts(plan, answers.storage, now),
  };
}

async function refusePolicy(file: string): Promise<void> {
  const isThere = await lstat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  );
  if (!isThere) return;
  throw new ConfigurationError(
    say`${nameInput('policy')}: ${file} already exists and is not overwritten`,
    'Edit it and run `supabase-backup schedule`, which generates the workflows. To create only a key, run `supabase-backup keygen`.',
  );
}

/** Makes a key in memory, where none was given, and says where it will be. */
async function prepareKey(inputs: InitInputs, answers: Answers, context: Context) {
  if (inputs.encryptionRecipients.length > 0) return undefined;
  const { repository, projectRef, databases } = answers;
  const files = await chooseKeyFiles(inputs, repository.replace('/', '-'), context);
  const pair = await generateKey();
  const places = databases.map((database) => ({ database, storage: placeOf(database, answers) }));
  const about = { title: repository, places, repository, projectRef };
  return { files, pair, store: () => storeKey(pair, files, about, context) };
}

/** @throws ConfigurationError where a workflow of that name is somebody else's */
function refuseForeign(changes: readonly FileChange[]): SetUp['workflows'] {
  return changes.map(({ file, state, reason }) => {
    if (state !== 'foreign') return { file, state };
    throw new ConfigurationError(
      say`${nameInput('workflows')}: ${file} ${reason}`,
      'Rename or delete it, and run `init` again. Nothing was written.',
    );
  });
}

async function writePolicy(file: string, text: string, key: MadeKey | undefined): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text, { flag: 'wx' });
  } catch (cause) {
    const reuse =
      key === undefined
        ? ''
        : say` The key that was made is in ${key.keyFile}: give ${nameInput('encryption-recipients', key.recipient)} the next time.`;
    throw new ConfigurationError(
      say`${nameInput('policy')}: ${file} cannot be written`,
      say`Write the path of a file in a folder that this user can write to.${reuse}`,
      cause,
    );
  }
}

function sumMinutes({ databases, timeZone }: SchedulePlan, now: Date): number {
  const months = databases.map(({ jobs }) => estimateMonth(jobs, timeZone, now, new Map()));
  return months.reduce((sum, { minutes }) => sum + minutes, 0);
}
