import { openWorkflows } from '../../github/workflows.ts';
import type { DoctorInputs } from '../../interface/inputs/types.ts';
import { askNameServers, type LookUp } from '../../postgres/session/knock.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import type { Context } from '../../runtime/context.ts';
import { openCopies } from '../../storage/copies.ts';
import { openStorage } from '../../storage/open.ts';
import { askPlatform } from '../managed/read.ts';
import { checkChannels } from './checks/channels.ts';
import { checkConnection } from './checks/connection.ts';
import { checkCopies } from './checks/copies.ts';
import { checkDatabase, type ExaminedDatabase } from './checks/database.ts';
import { checkKeys } from './checks/keys.ts';
import { checkPlatform } from './checks/platform.ts';
import { checkSlot } from './checks/slot.ts';
import { checkStorage } from './checks/storage.ts';
import { checkWorkflows } from './checks/workflows.ts';
import { Examination } from './examination.ts';
import { choosePlaces, findDatabase } from './project.ts';
import type { Diagnosis } from './result.ts';

/** Stand-ins of the world, for tests */
export interface World {
  readonly lookUp: LookUp;
  readonly openApi: typeof openWorkflows;
  /** Undefined: the Management API is asked, at the pace that it allows */
  readonly askPlatform?: typeof askPlatform;
  /** milliseconds that each check may take; undefined: what the check says */
  readonly limitMs?: number;
}

const realWorld: World = { lookUp: askNameServers, openApi: openWorkflows };

/**
 * Checks whatever was given: project, database, storage, keys, workflows, channels. Changes nothing but for a probe that
 * it writes to the storage and removes, unless `read-only` forbids it, and a test message where one is asked for.
 *
 * @throws ConfigurationError when the location of the storage is wrong; what else fails is a check that has
 */
export async function examine(
  inputs: DoctorInputs,
  context: Context,
  world: World = realWorld,
): Promise<Diagnosis> {
  const { storage: location } = inputs;
  // A location that cannot be is refused before anything is asked.
  await using storage = location === undefined ? undefined : await openStorage(location, inputs, context);
  await using resources = new AsyncDisposableStack();
  const chosen = await findDatabase(inputs, context.env);
  const copies = await openCopies(choosePlaces(inputs, chosen, context), context, resources);
  const examination = new Examination(context, world.limitMs);
  // A project that is paused is why its database does not answer, and told before it.
  await checkPlatform(examination, inputs, chosen, world.askPlatform ?? askPlatform, context);
  const { settings, identity, estimate } = inputs.hasDatabase
    ? await examineDatabase(examination, inputs, world, context)
    : nothing;
  const repository = storage && (await checkStorage(examination, storage, inputs, identity, context));
  if (settings !== undefined && identity !== undefined && repository !== undefined)
    await checkSlot(examination, settings, repository, context);
  await checkCopies(examination, copies, repository, inputs.readOnly);
  if ([location, inputs.encryptionRecipients[0], inputs.encryptionIdentity[0]].some(Boolean))
    await checkKeys(examination, inputs, repository, context);
  await checkWorkflows(examination, inputs, world.openApi, context);
  await checkChannels(examination, inputs, context);
  return { checks: examination.checks, estimate };
}

interface FoundDatabase extends ExaminedDatabase {
  readonly settings: ConnectionSettings | undefined;
}

const nothing: FoundDatabase = { settings: undefined, identity: undefined, estimate: undefined };

async function examineDatabase(
  examination: Examination,
  inputs: DoctorInputs,
  { lookUp }: World,
  context: Context,
): Promise<FoundDatabase> {
  const settings = await checkConnection(examination, inputs, lookUp, context);
  return { settings, ...(await checkDatabase(examination, settings, inputs, context)) };
}
