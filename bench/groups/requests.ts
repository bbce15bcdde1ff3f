import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Storage } from '../../src/storage/storage.ts';
import type { Contender, Group } from '../contender.ts';
import { countTenants, databases } from '../data.ts';
import { type Command, pipeline } from '../measure.ts';
import { bringBack, ObjectStore, saveAll } from '../object-store.ts';
import { writeShelf } from '../shelf.ts';
import { arrange, backupTo, ours, readSource, remove, type Workshop } from '../workshop.ts';

/** What both keep when most goes */
const keptBackups = 20;

/** An object store that takes 50 ms to answer: how often it is asked, and how much goes over the link. */
export async function createRequestsGroup(workshop: Workshop, scale: number): Promise<Group> {
  const missing = ObjectStore.findMissing();
  const size = { tenants: countTenants(scale), backups: Math.max(keptBackups + 5, Math.round(500 * scale)) };
  const contenders =
    missing === undefined ? await createContenders(workshop, await ObjectStore.open(), size) : [];
  return {
    id: 'requests',
    title: `Object store 50 ms away: ${format(size.tenants)} new objects, and ${format(size.backups)} backups`,
    note:
      'The server is moto, or the one of BENCH_S3_ENDPOINT, on the same machine; a proxy of the benchmark lets each request wait 50 ms and ' +
      'counts. Connections stay open. restic backs up what pg_dump writes of the same database, a stream that it cuts itself, and packs ' +
      'what it stores: it needs fewer requests, and cannot tell tables apart. The repository of many backups has synthetic manifests of 62 ' +
      'tables beside a real backup; that of restic has real snapshots of a few rows.',
    contenders: missing === undefined ? contenders : [{ ...skipped, missing }],
    baselines: missing === undefined ? ['restic-backup', 'restic-forget'] : [],
    targets:
      missing === undefined
        ? [
            { kind: 'requests', contender: 'full', most: size.tenants + 200 },
            { kind: 'time', contender: 'full', against: 'restic-backup', most: 1.5 },
            { kind: 'seconds', contender: 'idle', mostSeconds: 1.5 },
            { kind: 'seconds', contender: 'list', mostSeconds: 2 },
            { kind: 'traffic', contender: 'list', mostBytes: 1e6 },
            { kind: 'time', contender: 'cleanup', against: 'restic-forget', most: 1 },
            ...['full', 'idle', 'list', 'cleanup', 'validate', 'restore'].map((contender) => ({
              ...{ kind: 'memory' as const, contender, mostBytes: 512e6 },
            })),
          ]
        : [],
  };
}

const skipped: Contender = { id: 'full', name: 'ours', command: { file: 'false', args: [], env: {} } };

function format(count: number): string {
  return count.toLocaleString('en-US');
}

async function createContenders(
  workshop: Workshop,
  store: ObjectStore,
  size: { readonly tenants: number; readonly backups: number },
): Promise<Contender[]> {
  const { server, versions } = workshop;
  const restic = versions.restic === undefined ? 'not installed' : undefined;
  const counted = (contender: Contender): Contender => ({
    ...contender,
    prepare: async () => {
      await contender.prepare?.();
      store.link.takeTraffic();
    },
    inspect: async (stdout) => ({
      ...(await contender.inspect?.(stdout)),
      traffic: store.link.takeTraffic(),
    }),
  });
  const withStore = (command: Command): Command => ({ ...command, env: { ...store.env, ...command.env } });
  const emptied = (prefix: string) => () => bringBack(store.openNearby(prefix), new Map());
  const target = { SUPABASE_BACKUP_TARGET_URL: server.url(databases.target) };
  const intoEmpty = {
    prepare: () => server.createDatabase(databases.target),
    clean: () => server.dropDatabase(databases.target),
  };
  const shelf = new DistantShelf(workshop, store, size.backups);
  const snapshots = new ResticShelf(workshop, store, size.backups);
  const kept = resticAt(workshop, store, 'restic-kept');
  const fresh = resticAt(workshop, store, 'restic-new');
  const dump = pipeline(
    '"$1" | restic backup --quiet --stdin --stdin-filename dump.sql',
    [join(server.binFolder, 'pg_dump')],
    { ...server.env(databases.tenants), ...fresh },
  );
  const contenders: Contender[] = [
    {
      ...{ id: 'restic-backup', name: 'pg_dump | restic backup --stdin', missing: restic },
      prepare: () => arrange({ file: 'restic', args: ['init', '--quiet'], env: fresh }),
      command: dump,
      clean: emptied('restic-new'),
    },
    {
      ...{ id: 'full', name: `ours (first full, ${format(size.tenants)} tables)` },
      command: withStore(backupTo(workshop, databases.tenants, store.locate('new'))),
      clean: emptied('new'),
    },
    {
      ...{ id: 'idle', name: 'ours (incremental, nothing changed)' },
      setUp: () => shelf.make(),
      command: withStore(
        backupTo(workshop, databases.single, [...store.locate('shelf'), '--backup-type', 'incremental']),
      ),
      clean: () => shelf.bringBack(),
    },
    { ...{ id: 'list', name: 'ours (list)' }, command: withStore(ours('list', store.locate('shelf'), {})) },
    {
      ...{ id: 'restic-snapshots', name: 'restic snapshots', missing: restic },
      setUp: () => snapshots.make(),
      command: { file: 'restic', args: ['snapshots', '--quiet', '--json'], env: snapshots.env },
    },
    {
      ...{ id: 'restic-forget', name: `restic forget --keep-last ${keptBackups}`, missing: restic },
      prepare: () => snapshots.bringBack(),
      command: {
        file: 'restic',
        args: ['forget', '--quiet', '--group-by', '', '--keep-last', String(keptBackups)],
        env: snapshots.env,
      },
      clean: () => snapshots.bringBack(),
    },
    {
      ...{ id: 'cleanup', name: `ours (cleanup, last=${keptBackups})` },
      prepare: () => shelf.bringBack(),
      command: withStore(
        ours('cleanup', [...store.locate('shelf'), '--retention', `last=${keptBackups}`], {}),
      ),
      clean: () => shelf.bringBack(),
    },
    {
      ...{ id: 'restic-check', name: 'restic check --read-data', missing: restic },
      setUp: async () => {
        await arrange({ file: 'restic', args: ['init', '--quiet'], env: kept });
        await arrange({ ...dump, env: { ...dump.env, ...kept } });
      },
      command: { file: 'restic', args: ['check', '--quiet', '--read-data'], env: kept },
    },
    {
      ...{ id: 'validate', name: 'ours (validate)' },
      setUp: () => arrange(withStore(backupTo(workshop, databases.tenants, store.locate('kept', 'nearby')))),
      command: withStore(ours('validate', store.locate('kept'), {})),
    },
    {
      ...{ id: 'restic-restore', name: 'restic dump | psql', missing: restic },
      ...intoEmpty,
      command: pipeline(
        'restic dump --quiet latest dump.sql | "$1" --quiet --output /dev/null --set ON_ERROR_STOP=1',
        [join(server.binFolder, 'psql')],
        { ...server.env(databases.target), ...kept },
      ),
    },
    {
      ...{ id: 'restore', name: 'ours (restore --verify none)' },
      ...intoEmpty,
      command: withStore(ours('restore', [...store.locate('kept'), '--verify', 'none'], target)),
    },
  ];
  return contenders.map(counted);
}

function resticAt({ scratch }: Workshop, store: ObjectStore, prefix: string): NodeJS.ProcessEnv {
  return {
    ...store.env,
    RESTIC_REPOSITORY: store.resticLocation(prefix),
    RESTIC_PASSWORD: 'benchmark',
    RESTIC_CACHE_DIR: join(scratch, 'restic-cache-requests'),
  };
}

/** Many backups of ours, as they were before each run */
class DistantShelf {
  readonly #workshop: Workshop;
  readonly #store: ObjectStore;
  readonly #storage: Storage;
  readonly #backups: number;
  #saved: ReadonlyMap<string, Buffer> = new Map();

  constructor(workshop: Workshop, store: ObjectStore, backups: number) {
    this.#workshop = workshop;
    this.#store = store;
    this.#storage = store.openNearby('shelf');
    this.#backups = backups;
  }

  async make(): Promise<void> {
    const source = await readSource(this.#workshop.server, databases.single);
    await writeShelf(this.#storage, source, { backups: this.#backups, objects: 62 });
    await this.#backUp();
    this.#saved = await saveAll(this.#storage);
  }

  /** Files that were written again have another time; a backup takes note of them. */
  async bringBack(): Promise<void> {
    await bringBack(this.#storage, this.#saved);
    await this.#backUp();
  }

  async #backUp(): Promise<void> {
    const args = [...this.#store.locate('shelf', 'nearby'), '--backup-type', 'incremental'];
    const command = backupTo(this.#workshop, databases.single, args);
    await arrange({ ...command, env: { ...this.#store.env, ...command.env } });
  }
}

/** As many snapshots of restic, made in a folder, because there it takes less time */
class ResticShelf {
  readonly env: NodeJS.ProcessEnv;
  readonly #folder: string;
  readonly #storage: Storage;
  readonly #backups: number;
  #saved: ReadonlyMap<string, Buffer> = new Map();

  constructor(workshop: Workshop, store: ObjectStore, backups: number) {
    this.env = resticAt(workshop, store, 'restic-shelf');
    this.#folder = join(workshop.scratch, 'restic-shelf');
    this.#storage = store.openNearby('restic-shelf');
    this.#backups = backups;
  }

  async make(): Promise<void> {
    const env = { ...this.env, RESTIC_REPOSITORY: this.#folder };
    await arrange({ file: 'restic', args: ['init', '--quiet'], env });
    const script =
      'for n in $(seq "$1"); do echo "row $n" | restic backup --quiet --stdin --stdin-filename dump.sql; done';
    await arrange(pipeline(script, [String(this.#backups)], env));
    this.#saved = readFolder(this.#folder);
    remove(this.#folder);
    await this.bringBack();
  }

  /** Its cache has them all, as after a backup. */
  async bringBack(): Promise<void> {
    await bringBack(this.#storage, this.#saved);
    await arrange({ file: 'restic', args: ['snapshots', '--quiet'], env: this.env });
  }
}

function readFolder(folder: string): Map<string, Buffer> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  return new Map(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(folder.length + 1), readFileSync(path)];
    }),
  );
}
