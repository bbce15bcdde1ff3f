import { rm } from 'node:fs/promises';
import { identityToRecipient } from 'age-encryption';
import { objectSize } from '../../format/limits.ts';
import type { Manifest, StoredObject } from '../../format/manifest.ts';
import type { ValidateInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { findClient } from '../../postgres/client/find.ts';
import { ToolError } from '../../postgres/client/process.ts';
import { readContents } from '../../postgres/client/table-of-contents.ts';
import {
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatRate,
} from '../../report/quantity.ts';
import { fetchArchive } from '../../repository/objects/archive-file.ts';
import { createReader, readStored } from '../../repository/objects/store.ts';
import { readSupplement } from '../../repository/objects/supplement.ts';
import { openRepository } from '../../repository/open.ts';
import { isUnread } from '../../repository/reading.ts';
import { appendRecord } from '../../repository/records.ts';
import type { World } from '../../runtime/context.ts';
import { ConfigurationError, IntegrityError, messageOf, StorageError } from '../../runtime/errors.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { ByteBudget, drain, runWorkers } from '../../runtime/workers.ts';
import { openStorage } from '../../storage/open.ts';
import { storageLanes } from '../../storage/storage.ts';
import { checkChanges, chooseSegments, nameSegment } from './changes.ts';
import { readManifests } from './manifests.ts';
import { gatherUses, type Holder, type Use } from './object-uses.ts';
import type { Damage } from './report.ts';
import { countBackups, describeVerdict, listDamages } from './report.ts';

/** bytes of objects in memory at once: four of the largest */
const readBytes = 4 * objectSize;

/**
 * Reads back what is stored. Every manifest and every header of captured changes is checked; of the objects all or a share, each
 * fetched and hashed, and opened too where that is possible: always when it is not encrypted, with the identity when it is. What was
 * found is recorded, so that retention and people know which backups were proven.
 */
export async function validate(inputs: ValidateInputs, world: World): Promise<Outcome> {
  const clock = new PhaseClock();
  await using storage = await openStorage(inputs.storage, inputs, world);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const damages: Damage[] = [];
  /** What is there and could not be read: it may be whole. */
  const unread: Damage[] = [];
  const note = (damage: Damage, error: unknown) => (isUnread(error) ? unread : damages).push(damage);
  const manifests = await readManifests(
    repository,
    inputs.backupId,
    (id, error) => note({ backup: id, part: 'manifest', how: error.message }, error),
    world.signal,
  );
  const segments = await chooseSegments(
    repository,
    inputs.backupId,
    manifests,
    (error, key) => note({ backup: null, part: `changes ${key}`, how: error.message }, error),
    world.signal,
  );

  const holders = [...manifests, ...segments];
  const mayOpen = await matchIdentities(holders, inputs.encryptionIdentity);
  const sealed = holders.some((holder) => !mayOpen(holder));
  if (sealed) {
    world.log.warn(
      'Encrypted backups are checked by the hashes of their stored bytes only: no encryption-identity was given that opens them.',
    );
  }
  const uses = gatherUses(manifests, segments);
  const sample = takeShare([...uses.values()], inputs.share);
  const total = sample.reduce((sum, use) => sum + use.object.stored, 0);
  world.log.info(
    `${formatCounted(manifests.length, 'backup')} with ${formatCounted(uses.size, 'object')}; reading ${formatCount(sample.length)} of them, ${formatBytes(total)}`,
  );
  const bad = new Set<string>();
  const lost = new Set<string>();
  let read = 0;
  let checked = 0;
  const queue = [...sample];
  const budget = new ByteBudget(readBytes);
  await runWorkers(Math.min(storageLanes, queue.length), world.signal, async (signal) => {
    for (const use of drain(queue)) {
      signal.throwIfAborted();
      const { bytes, stored } = use.object;
      const failure = await budget.hold(Math.max(bytes, stored), () => check(use));
      if (failure !== undefined) {
        (isUnread(failure) ? lost : bad).add(use.object.name);
        for (const { backup, part } of use.parts) note({ backup, part, how: messageOf(failure) }, failure);
      }
      read += use.object.stored;
      checked++;
      world.log.progress(
        `${formatCount(checked)} of ${formatCount(sample.length)} objects, ${formatRate(read, clock.elapsed())}, ${formatCount(damages.length)} damaged parts`,
      );
    }
  });
  clock.end('objects');

  const isBad = (name: string) => bad.has(name) || lost.has(name);
  const isWhole = (manifest: Manifest, { objects }: Manifest['archive']) =>
    !objects.some((index) => isBad(manifest.objects[index]?.name ?? ''));
  const opened = takeShare(manifests.filter(mayOpen), inputs.share);
  const archives = opened.filter((manifest) => isWhole(manifest, manifest.archive));
  for (const manifest of archives) {
    const how = await checkArchive(manifest);
    if (how !== undefined) damages.push({ backup: manifest.id, part: 'schema archive', how });
  }
  for (const manifest of opened.filter((each) => isWhole(each, each.supplement))) {
    const how = await checkSupplement(manifest);
    if (how !== undefined) damages.push({ backup: manifest.id, part: 'supplement', how });
  }
  clock.end('archives');
  const unhurt = segments.filter(({ objects }) => !objects.some(({ name }) => isBad(name)));
  for (const segment of takeShare(unhurt.filter(mayOpen), inputs.share)) {
    world.signal.throwIfAborted();
    const how = await checkChanges(repository, segment, inputs.encryptionIdentity);
    if (how !== undefined) damages.push({ backup: null, part: nameSegment(segment), how });
  }
  clock.end('changes');
  await record();
  return describe();

  /** What is wrong with an object. That one cannot be read says nothing of the others: they are checked all the same. */
  async function check(use: Use): Promise<Error | undefined> {
    const opener = use.parts.find(({ holder }) => mayOpen(holder));
    try {
      if (opener === undefined) await readAnyCopy(use.object);
      else await createReader(repository, opener.holder, inputs.encryptionIdentity).prove(use.object);
      return undefined;
    } catch (error) {
      if (error instanceof IntegrityError || (error instanceof Error && isUnread(error))) return error;
      throw error;
    }
  }

  /**
   * Encrypted anew, a content has other bytes. Where a later backup has stored a lost object again, the bytes that are there are those of
   * one of the descriptions, and each of these is sealed.
   */
  async function readAnyCopy(object: StoredObject): Promise<void> {
    try {
      await readStored(storage, object);
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      const others = [...uses.values()].filter(
        (other) => other.object.name === object.name && other.object !== object,
      );
      for (const other of others) {
        const sound = await readStored(storage, other.object).then(
          () => true,
          (cause: unknown) => {
            if (cause instanceof IntegrityError) return false;
            throw cause;
          },
        );
        if (sound) return;
      }
      throw error;
    }
  }

  async function checkArchive(manifest: Manifest): Promise<string | undefined> {
    const client = await findClient(Math.floor(manifest.source.serverVersion / 10000), world, inputs);
    const reader = createReader(repository, manifest, inputs.encryptionIdentity);
    let file: string | undefined;
    try {
      file = await fetchArchive(manifest, reader, world);
      await readContents(client, file, manifest.facts.roles, world);
      return undefined;
    } catch (error) {
      if (error instanceof ToolError && /unsupported version/.test(error.message)) {
        throw new ConfigurationError(
          `client-path: pg_restore ${client.version} is too old for the archive of backup ${manifest.id}: ${messageOf(error)}`,
          'Give the folder of newer client programs with client-path; those that made the backup can read it.',
          error,
        );
      }
      if (error instanceof ToolError || error instanceof IntegrityError) return messageOf(error);
      throw error;
    } finally {
      if (file !== undefined) await rm(file, { force: true });
    }
  }

  async function checkSupplement(manifest: Manifest): Promise<string | undefined> {
    try {
      await readSupplement(manifest, createReader(repository, manifest, inputs.encryptionIdentity));
      return undefined;
    } catch (error) {
      if (error instanceof IntegrityError) return error.message;
      throw error;
    }
  }

  /** Credentials that may only read are a good choice for this operation: that nothing can be written does not fail it. */
  async function record(): Promise<void> {
    const broken = findBroken();
    const opened = new Map(manifests.map((manifest) => [manifest.id, mayOpen(manifest)]));
    const unknown = new Set(unread.map(({ backup }) => backup));
    const ids = new Set([...opened.keys(), ...broken]);
    // Neither proven nor found damaged.
    for (const id of ids) if (unknown.has(id) && !broken.has(id)) ids.delete(id);
    if (ids.size === 0) return;
    try {
      await appendRecord(repository, 'validations', world.now(), {
        share: inputs.share,
        backups: [...ids].sort().map((id) => ({
          id,
          outcome: broken.has(id) ? 'damaged' : 'passed',
          opened: opened.get(id) ?? false,
          ...(broken.has(id) ? { part: findPart(id) } : {}),
        })),
        damagedObjects: [...bad].sort(),
      });
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      world.log.warn(
        `the result was not recorded, so no backup counts as verified by it: ${error.message}. Give credentials that may write below records/ to have it recorded.`,
      );
    }
  }

  /** Where a damaged backup is: what is wrong in several places is called by the first. */
  function findPart(id: string): 'manifest' | 'objects' | 'contents' {
    if (damages.some(({ backup, part }) => backup === id && part === 'manifest')) return 'manifest';
    const manifest = manifests.find((one) => one.id === id);
    return manifest?.objects.some(({ name }) => bad.has(name)) ? 'objects' : 'contents';
  }

  function findBroken(): Set<string> {
    return new Set(damages.map(({ backup }) => backup).filter((id) => id !== null));
  }

  function describeSegments(): string[][] {
    const broken = new Set(damages.filter(({ backup }) => backup === null).map(({ part }) => part));
    return segments.length + broken.size === 0
      ? []
      : [
          ['segments of captured changes', formatCount(segments.length)],
          ['damaged segments', formatCount(broken.size)],
        ];
  }

  function describe(): Outcome {
    const broken = findBroken();
    const all =
      manifests.length + [...damages, ...unread].filter((damage) => damage.part === 'manifest').length;
    return {
      exitCode: damages.length + unread.length === 0 ? 0 : 3,
      outputs: {
        backups: all,
        'objects-checked': sample.length,
        damaged: broken.size,
      },
      report: [
        {
          kind: 'heading',
          text: describeVerdict(damages.length, unread.length),
        },
        {
          kind: 'table',
          columns: [{ title: 'what' }, { title: '', align: 'right' }],
          rows: [
            ['backups', formatCount(all)],
            ['damaged backups', formatCount(broken.size)],
            ...(unread.length === 0
              ? []
              : [['backups that could not be read whole', formatCount(countBackups(unread))]]),
            ...describeSegments(),
            ['objects checked', `${formatCount(sample.length)} of ${formatCount(uses.size)}`],
            ['read', `${formatBytes(read)} (${formatRate(read, clock.elapsed())})`],
            ['archives listed by pg_restore', formatCount(archives.length)],
            ['encrypted', describeEncryption(holders, sealed)],
            ['duration', formatDuration(clock.elapsed())],
          ],
        },
        ...listDamages('damaged part', damages),
        ...listDamages('could not be read, and may be whole', unread),
      ],
    };
  }
}

/**
 * Tells which backups and segments the identities open: over the years of a repository its recipients change.
 *
 * @throws ConfigurationError when identities were given and open none of the encrypted backups
 */
async function matchIdentities(
  holders: readonly Holder[],
  identities: readonly string[],
): Promise<(holder: Holder) => boolean> {
  const ours = new Set(await Promise.all(identities.map((identity) => identityToRecipient(identity))));
  const mayOpen = ({ encryption }: Holder) =>
    encryption.scheme === 'none' || encryption.recipients.some((recipient) => ours.has(recipient));
  const encrypted = holders.filter(({ encryption }) => encryption.scheme === 'age');
  if (identities.length > 0 && encrypted.length > 0 && !encrypted.some(mayOpen)) {
    throw new ConfigurationError(
      'encryption-identity: the identity given does not belong to any recipient of these backups',
      'Give the identity whose recipient stands in the manifest, or none to check the hashes only.',
    );
  }
  return mayOpen;
}

function describeEncryption(holders: readonly Holder[], sealed: boolean): string {
  if (holders.every(({ encryption }) => encryption.scheme === 'none')) return 'no';
  return sealed ? 'yes; not opened, the stored bytes were hashed' : 'yes; opened';
}

/** A random share, rounded up, so that repeated runs come to see everything. */
function takeShare<Item>(items: readonly Item[], share: number): Item[] {
  if (share >= 1) return [...items];
  return items
    .map((item) => ({ item, order: Math.random() }))
    .sort((one, other) => one.order - other.order)
    .slice(0, Math.ceil(items.length * share))
    .map(({ item }) => item);
}
