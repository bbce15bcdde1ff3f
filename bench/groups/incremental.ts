import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Contender, Group } from '../contender.ts';
import { changeAtRandom, changeRegion, compactEvents, databases, insertRemark } from '../data.ts';
import {
  arrange,
  backupCommand,
  backupContender,
  describePhases,
  listManifests,
  readAdded,
  remove,
  resticCommands,
  sizeOf,
  type Workshop,
} from '../workshop.ts';

const database = databases.changing;

/** What a second backup takes after this or that has changed, each in a repository of its own. */
export function createIncrementalGroup(workshop: Workshop, scale: number): Group {
  const change = (statements: string[]) => async () => {
    await workshop.server.run(database, statements);
  };
  // The same counter for all, so that no region is changed twice.
  let turn = 0;
  const changeNextRegion = () => change(changeRegion(scale, ++turn))();
  return {
    id: 'incremental',
    title: 'Incremental backup of two large tables',
    note:
      'Before each run its repository gets an incremental backup off the clock, then the change is made. Stored is what the run added, ' +
      'manifest included. A region is 20,000 rows with ids in sequence that were updated, and as many inserted at the end of the table ' +
      '(at scale 1). At random, one row in a hundred was updated all over the table, which leaves no range as it was: the limit of the ' +
      'method. The table is rewritten after that, so that the next changes find no gaps to be strewn into.',
    contenders: [
      backupContender(workshop, database, { id: 'full', name: 'ours (full)' }),
      incrementalContender(workshop, { id: 'idle', name: 'ours (nothing changed)' }),
      incrementalContender(workshop, {
        id: 'elsewhere',
        name: 'ours (one row of another table)',
        change: change(insertRemark()),
      }),
      incrementalContender(workshop, { id: 'region', name: 'ours (a region)', change: changeNextRegion }),
      incrementalContender(workshop, {
        id: 'random',
        name: 'ours (1 % at random)',
        change: () => change(changeAtRandom(++turn))(),
        clean: change(compactEvents()),
      }),
      resticAgain(workshop, changeNextRegion),
    ],
    baselines: ['full', 'restic-again'],
    targets: [
      { kind: 'time', contender: 'idle', against: 'full', most: 0.08 },
      { kind: 'time', contender: 'elsewhere', against: 'full', most: 0.25 },
      { kind: 'size', contender: 'elsewhere', mostBytes: 1e6 },
      { kind: 'time', contender: 'region', against: 'restic-again', most: 0.2 },
      { kind: 'bytes', contender: 'region', against: 'restic-again', most: 0.2 },
      { kind: 'time', contender: 'random', against: 'full', most: 1.2 },
      ...['full', 'idle', 'elsewhere', 'region', 'random'].map((contender) => ({
        kind: 'memory' as const,
        contender,
        mostBytes: 512e6,
      })),
    ],
  };
}

/** An incremental backup upon one that was made right before `change`; without a change, no transaction lies between the two. */
function incrementalContender(
  workshop: Workshop,
  {
    id,
    name,
    change,
    clean,
  }: { id: string; name: string; change?: () => Promise<void>; clean?: () => Promise<void> },
): Contender {
  const repository = join(workshop.scratch, `incremental-${id}`);
  const command = backupCommand(workshop, database, repository, ['--backup-type', 'incremental']);
  let base = '';
  let baseSnapshot = '';
  let manifests: string[] = [];
  let bytes = 0;
  return {
    id,
    name,
    command,
    setUp: async () => {
      remove(repository);
      await arrange(backupCommand(workshop, database, repository));
    },
    prepare: async () => {
      const before = listManifests(repository);
      await arrange(command);
      ({
        id: base,
        source: { snapshot: baseSnapshot },
      } = readAdded(repository, before));
      await change?.();
      // The backup with the newest id is the base, and ids of one second sort by chance.
      await setTimeout(1000);
      manifests = listManifests(repository);
      bytes = sizeOf(repository);
    },
    inspect: async () => {
      const added = readAdded(repository, manifests);
      if (added.base !== base) {
        throw new Error(`${name}: not built upon ${base}, but ${added.fullBecause ?? `upon ${added.base}`}`);
      }
      if (!change && added.source.snapshot !== baseSnapshot) {
        throw new Error(
          `${name}: something else wrote to the server meanwhile (${baseSnapshot}, ${added.source.snapshot})`,
        );
      }
      return { storedBytes: sizeOf(repository) - bytes, phases: describePhases(added) };
    },
    ...(clean && { clean }),
  };
}

/** A second dump into a repository that has the state before. Everything is read, and chunks that are there are not stored again. */
function resticAgain(workshop: Workshop, change: () => Promise<void>): Contender {
  const repository = join(workshop.scratch, 'incremental-restic');
  const { init, backup } = resticCommands(workshop, database, repository);
  let bytes = 0;
  return {
    id: 'restic-again',
    name: 'pg_dump | restic backup --stdin (a region)',
    missing: workshop.versions.restic ? undefined : 'restic is not installed',
    command: backup,
    setUp: () => arrange(init),
    prepare: async () => {
      await arrange(backup);
      await change();
      bytes = sizeOf(repository);
    },
    inspect: async () => ({ storedBytes: sizeOf(repository) - bytes }),
  };
}
