import { join } from 'node:path';
import { FileStorage } from '../../src/storage/file.ts';
import { presentContext } from '../../test/support/context.ts';
import type { Contender, Group } from '../contender.ts';
import { databases } from '../data.ts';
import { copyObjects, type ShelfSize, swapObjects, writeObjects, writeShelf } from '../shelf.ts';
import {
  arrange,
  backupCommand,
  backupContender,
  describePhases,
  listManifests,
  ours,
  readAdded,
  readSource,
  remove,
  type Workshop,
} from '../workshop.ts';

const database = databases.single;

/** Many backups in one repository: what they cost those who only want to add one, or to look. */
export function createShelfGroup(workshop: Workshop, scale: number): Group {
  const size: ShelfSize = { backups: Math.max(1, Math.round(500 * scale)), objects: 2000 };
  const repository = join(workshop.scratch, 'shelf');
  const allObjects = join(workshop.scratch, 'shelf-objects');
  const withAllObjects = (contender: Contender) =>
    withObjects(contender, () => swapObjects(repository, allObjects));
  const list: Contender = {
    id: 'list',
    name: 'list',
    // The repository that the others use, too.
    setUp: () => makeShelf(workshop, repository, allObjects, size),
    command: ours('list', ['--storage', repository], {}),
  };
  // A cleanup of every day finds that most backups stay, and has to know what each of them needs.
  const retention = `last=${size.backups + 1}`;
  const cleanup: Contender = {
    id: 'cleanup',
    name: 'cleanup --dry-run',
    command: ours('cleanup', ['--storage', repository, '--retention', retention, '--dry-run'], {}),
  };
  const full = addingContender(workshop, repository, { id: 'full', name: 'backup', type: 'full' });
  const incremental = addingContender(workshop, repository, {
    id: 'incremental',
    name: 'backup (incremental)',
    type: 'incremental',
  });
  const measured = [list, cleanup, full, incremental];
  return {
    id: 'shelf',
    title: `Repository of ${format(size.backups)} backups and ${format(size.backups * size.objects)} objects`,
    note:
      `The manifests are synthetic: sealed like any other, each with ${format(size.objects)} objects that no other backup names. The cleanup ` +
      'keeps all of them. Where a row says "objects there", each object is a file of 4 kB, by a hard link to one of a few; in the other ' +
      'rows the storage does not hold them, and listing them costs nothing. The limits are for those: what listing takes is the ' +
      "storage's. The backups made are of a database with one tiny table that does not change, upon a real backup of it; the time " +
      'over that of a backup into an empty repository is what the others cost.',
    contenders: [
      backupContender(workshop, database, { id: 'empty', name: 'backup into an empty repository' }),
      ...measured,
      withAllObjects(cleanup),
      withAllObjects(incremental),
    ],
    baselines: ['empty'],
    targets: [
      ...measured.map(({ id }) => ({ kind: 'seconds' as const, contender: id, mostSeconds: 2 })),
      ...measured.map(({ id }) => ({ kind: 'memory' as const, contender: id, mostBytes: 512e6 })),
    ],
  };
}

function format(count: number): string {
  return count.toLocaleString('en-US');
}

async function makeShelf(
  workshop: Workshop,
  repository: string,
  allObjects: string,
  size: ShelfSize,
): Promise<void> {
  await writeShelf(
    new FileStorage(repository, presentContext),
    await readSource(workshop.server, database),
    size,
  );
  await arrange(backupCommand(workshop, database, repository));
  copyObjects(repository, allObjects);
  writeObjects(allObjects, size);
}

/** A backup whose manifest goes after the run, so that every run finds as many. */
function addingContender(
  workshop: Workshop,
  repository: string,
  { id, name, type }: { id: string; name: string; type: 'full' | 'incremental' },
): Contender {
  let manifests: string[] = [];
  return {
    id,
    name,
    command: backupCommand(workshop, database, repository, ['--backup-type', type]),
    prepare: async () => {
      manifests = listManifests(repository);
    },
    inspect: async () => {
      const added = readAdded(repository, manifests);
      if (added.kind !== type) throw new Error(`${name}: ${added.kind}, because ${added.fullBecause}`);
      return { phases: describePhases(added) };
    },
    clean: async () => {
      remove(join(repository, 'backups', `${readAdded(repository, manifests).id}.json`));
    },
  };
}

/** The same where the storage holds every object that a manifest names; `swap` brings them and takes them away again. */
function withObjects(contender: Contender, swap: () => void): Contender {
  return {
    ...contender,
    id: `${contender.id}-objects`,
    name: `${contender.name} (objects there)`,
    prepare: async () => {
      await contender.prepare?.();
      swap();
    },
    clean: async () => {
      swap();
      await contender.clean?.();
    },
  };
}
