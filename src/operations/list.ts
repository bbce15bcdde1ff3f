import type { ListInputs } from '../inputs.ts';
import { openRepository } from '../repository/repository.ts';
import { planRetention } from '../repository/retention.ts';
import { readShelf } from '../repository/shelf.ts';
import type { World } from '../world.ts';
import { describeList } from './list-report.ts';
import type { Outcome } from './outcome.ts';
import { openPlace } from './place.ts';

/** Lists the backups, what is known of each, and what a cleanup with the same retention would keep. Changes nothing. */
export async function list(inputs: ListInputs, world: World): Promise<Outcome> {
  await using resources = new AsyncDisposableStack();
  const storage = await openPlace(inputs, resources, world);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const shelf = await readShelf(repository, {
    onDamaged: (error) => world.log.warn(error.message),
    signal: world.signal,
  });
  const decisions = planRetention(shelf.backups, inputs.retention, {
    now: world.now(),
    timeZone: inputs.timeZone,
  });
  return describeList(storage.location, decisions, shelf.damaged);
}
