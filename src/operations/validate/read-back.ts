import type { Manifest } from '../../format/manifest.ts';
import type { CopiesInputs } from '../../interface/inputs/copies-values.ts';
import type { ReadBackRequest } from '../../interface/inputs/types.ts';
import { formatBytes, formatCount, formatCounted } from '../../report/quantity.ts';
import { segmentKey } from '../../repository/changes/segments.ts';
import { warnOfBackupsElsewhere } from '../../repository/copies/elsewhere.ts';
import { createReader } from '../../repository/objects/store.ts';
import type { Repository } from '../../repository/open.ts';
import type { Context } from '../../runtime/context.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { checkChanges, chooseSegments, nameSegment } from './changes.ts';
import { checkArchive, checkSupplement } from './contents.ts';
import { Findings } from './findings.ts';
import { matchIdentities } from './identities.ts';
import { readManifests } from './manifests.ts';
import { gatherUses, type Holder } from './object-uses.ts';
import { checkObjects } from './objects.ts';
import { findCurable, openReadable } from './place.ts';
import type { Reading } from './reading.ts';
import { recordValidation } from './record.ts';
import type { Damage, Validation } from './result.ts';

/**
 * Reads back what is stored. Every manifest and every header of captured changes is checked. Of the objects,
 * all or a random share are fetched and hashed; objects that are not encrypted, or that the identity opens,
 * are also opened. The findings are recorded, so that retention and people know which backups are proven.
 *
 * @throws ConfigurationError when identities were given and open none of the encrypted backups
 */
export async function readBack(
  request: ReadBackRequest & Partial<CopiesInputs>,
  context: Context,
): Promise<Validation> {
  const clock = new PhaseClock();
  await using resources = new AsyncDisposableStack();
  const { repository, instead, behind } = await openReadable(request, resources, context);
  // What is not in the place cannot be found damaged there.
  if (request.backupId === 'latest' || request.backupId === 'all')
    await warnOfBackupsElsewhere(repository, behind, context);
  const findings = new Findings();
  const { manifests, segments } = await readHeaders(repository, request.backupId, findings, context);

  const holders = [...manifests, ...segments];
  const mayOpen = await matchIdentities(holders, request.encryptionIdentity);
  const encryption = weighEncryption(holders, mayOpen);
  if (encryption === 'sealed') {
    context.log.warn(
      say`Encrypted backups are checked only by the hashes of their stored bytes, because no ${nameInput('encryption-identity')} was given that decrypts them.`,
    );
  }
  const uses = gatherUses(manifests, segments);
  const sample = takeShare([...uses.values()], request.share, context);
  const total = sample.reduce((sum, use) => sum + use.object.stored, 0);
  context.log.info(
    `${formatCounted(manifests.length, 'backup')} with ${formatCounted(uses.size, 'object')}; reading ${formatCount(sample.length)} of them, ${formatBytes(total)}`,
  );
  const check = { repository, identities: request.encryptionIdentity, mayOpen, uses };
  const read = await checkObjects(check, sample, findings, clock, context);
  clock.end('objects');

  const reading: Reading = { request, repository, manifests, segments, mayOpen, findings };
  const archives = await checkContents(reading, context);
  clock.end('archives');
  await checkSegments(reading, context);
  clock.end('changes');
  await recordValidation(reading, context);
  const { damages, unread, broken } = findings;
  return {
    backups: manifests.length + countManifests([...damages, ...unread]),
    ...{ broken, damages, unread, read, archives, encryption, instead },
    curable: await findCurable(behind, findings.damagedObjects, uses, context),
    segments: segments.length,
    objects: uses.size,
    objectsChecked: sample.length,
    elapsed: clock.elapsed(),
  };
}

function countManifests(damages: readonly Damage[]): number {
  return damages.filter(({ backup, where }) => backup !== null && where === 'manifest').length;
}

async function readHeaders(
  repository: Repository,
  choice: string,
  findings: Findings,
  { signal }: Context,
): Promise<Pick<Reading, 'manifests' | 'segments'>> {
  const manifests = await readManifests(
    repository,
    choice,
    (id, error) =>
      findings.note(
        { backup: id, segment: null, where: 'manifest', part: 'manifest', how: error.message },
        error,
      ),
    signal,
  );
  const segments = await chooseSegments(
    repository,
    choice,
    manifests,
    (error, key) =>
      findings.note(
        { backup: null, segment: key, where: 'manifest', part: `changes ${key}`, how: error.message },
        error,
      ),
    signal,
  );
  return { manifests, segments };
}

function weighEncryption(holders: readonly Holder[], mayOpen: Reading['mayOpen']): Validation['encryption'] {
  if (holders.every(({ encryption }) => encryption.scheme === 'none')) return 'none';
  return holders.every(mayOpen) ? 'opened' : 'sealed';
}

/**
 * Checks what only a whole backup can show: the archive and the supplement, where all their objects are
 * whole.
 *
 * @returns how many archives pg_restore was asked to list
 */
async function checkContents(reading: Reading, context: Context): Promise<number> {
  const { request, repository, manifests, mayOpen, findings } = reading;
  const isWhole = (manifest: Manifest, { objects }: Manifest['archive']) =>
    !objects.some((index) => findings.isBad(manifest.objects[index]?.name ?? ''));
  const readerOf = (manifest: Manifest) => createReader(repository, manifest, request.encryptionIdentity);
  const note = (manifest: Manifest, part: string, how: string | undefined) => {
    if (how !== undefined)
      findings.damages.push({ backup: manifest.id, segment: null, where: 'contents', part, how });
  };
  const opened = takeShare(manifests.filter(mayOpen), request.share, context);
  const archives = opened.filter((manifest) => isWhole(manifest, manifest.archive));
  for (const manifest of archives)
    note(manifest, 'schema archive', await checkArchive(manifest, readerOf(manifest), request, context));
  for (const manifest of opened.filter((each) => isWhole(each, each.supplement)))
    note(manifest, 'supplement', await checkSupplement(manifest, readerOf(manifest)));
  return archives.length;
}

async function checkSegments(reading: Reading, context: Context): Promise<void> {
  const { request, repository, segments, mayOpen, findings } = reading;
  const whole = segments.filter(({ objects }) => !objects.some(({ name }) => findings.isBad(name)));
  for (const segment of takeShare(whole.filter(mayOpen), request.share, context)) {
    context.signal.throwIfAborted();
    const how = await checkChanges(repository, segment, request.encryptionIdentity);
    if (how !== undefined)
      findings.damages.push({
        backup: null,
        segment: segmentKey(segment),
        where: 'contents',
        part: nameSegment(segment),
        how,
      });
  }
}

/** Takes a random share, rounded up, so that repeated runs eventually check everything. */
function takeShare<Item>(items: readonly Item[], share: number, context: Context): Item[] {
  if (share >= 1) return [...items];
  return items
    .map((item) => ({ item, order: context.random() }))
    .sort((one, other) => one.order - other.order)
    .slice(0, Math.ceil(items.length * share))
    .map(({ item }) => item);
}
