import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import { ConfigurationError, IntegrityError, messageOf, StorageError } from '../errors.ts';
import { type Manifest, manifestSchema, type StoredObject } from './manifest.ts';
import type { Repository } from './repository.ts';

/** UTC time and a short random part, so that ids sort by time: `20261120T021700Z-7f3a`. */
export function createBackupId(now: Date): string {
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  return `${time}-${randomBytes(2).toString('hex')}`;
}

const idPattern = /^backups\/(\d{8}T\d{6}Z-[0-9a-f]{4})\.json$/;

export function manifestKey(id: string): string {
  return `backups/${id}.json`;
}

/** The ids of all backups that exist, oldest first. */
export async function listBackupIds(repository: Repository): Promise<string[]> {
  const ids: string[] = [];
  for await (const value of repository.storage.list('backups/')) {
    const id = idPattern.exec(value.key)?.[1];
    if (id !== undefined) ids.push(id);
  }
  return ids.sort();
}

/** The commit of a backup: after this it exists, before this it does not. Never replaces a manifest. */
export async function writeManifest(repository: Repository, manifest: Manifest): Promise<void> {
  const content = JSON.stringify(manifest);
  const sealed = `${content.slice(0, -1)},"seal":"${sealContent(repository, content)}"}\n`;
  const created = await repository.storage.create(manifestKey(manifest.id), Buffer.from(sealed));
  if (!created) {
    throw new StorageError(
      `${manifestKey(manifest.id)} exists already at ${repository.storage.location}`,
      'Run the backup again; it gets a new id.',
    );
  }
}

const sealPattern = /,"seal":"([0-9a-f]{64})"\}\n?$/;

/**
 * @throws IntegrityError when it is damaged, truncated or was not written with this repository's key
 * @throws ConfigurationError when there is no such backup
 */
export async function readManifest(repository: Repository, id: string): Promise<Manifest> {
  const key = manifestKey(id);
  let text: string;
  try {
    text = (await repository.storage.get(key)).toString('utf8');
  } catch (error) {
    if (error instanceof StorageError && error.missing) {
      throw new ConfigurationError(
        `backup-id: there is no backup ${id} at ${repository.storage.location}`,
        'Give the id of a backup that exists, or latest.',
        error,
      );
    }
    throw error;
  }
  const damaged = (how: string, cause?: unknown) =>
    new IntegrityError(`manifest ${key}: ${how}`, 'Use another backup; this one cannot be trusted.', cause);
  const seal = sealPattern.exec(text);
  if (!seal) throw damaged(`it is truncated or damaged (${text.length} characters, no seal at its end)`);
  const content = `${text.slice(0, seal.index)}}`;
  const expected = Buffer.from(sealContent(repository, content));
  if (!timingSafeEqual(expected, Buffer.from(seal[1] ?? '')))
    throw damaged('its seal does not fit its content');
  let parsed: v.SafeParseResult<typeof manifestSchema>;
  try {
    parsed = v.safeParse(manifestSchema, JSON.parse(content));
  } catch (cause) {
    throw damaged(messageOf(cause), cause);
  }
  if (!parsed.success) {
    const paths = parsed.issues
      .slice(0, 3)
      .map((issue) => `${v.getDotPath(issue) ?? 'manifest'}: ${issue.message}`);
    throw damaged(`it is sealed but not of format 1 (${paths.join('; ')})`);
  }
  const lost = findDanglingPiece(parsed.output);
  if (lost !== undefined) throw damaged(`it is sealed but ${lost} points outside of its objects`);
  if (parsed.output.id !== id) throw damaged(`it says that it is backup ${parsed.output.id}`);
  return parsed.output;
}

/** Names what refers to bytes that no object has. */
function findDanglingPiece(manifest: Manifest): string | undefined {
  const { objects } = manifest;
  if (manifest.archive.objects.some((index) => objects[index] === undefined)) return 'its archive';
  return manifest.tables.find((table) =>
    table.ranges.some((range) =>
      range.pieces.some((piece) => piece.offset + piece.length > (objects[piece.object]?.bytes ?? -1)),
    ),
  )?.name;
}

/** HMAC-SHA256 over the JSON text without the seal: detects any change by one who does not hold the key. */
function sealContent(repository: Repository, content: string): string {
  return createHmac('sha256', repository.key).update('manifest\0').update(content).digest('hex');
}

/**
 * Finds the backup that an input means: an id, `latest`, or `before:<time>`, by the time of its snapshot. Damaged manifests are
 * passed over for the two latter and reported to `onDamaged`.
 */
export async function chooseBackup(
  repository: Repository,
  choice: string,
  onDamaged: (error: IntegrityError) => void,
): Promise<Manifest> {
  const before = /^before:(.*)$/.exec(choice)?.[1];
  if (choice !== 'latest' && before === undefined) return readManifest(repository, choice);
  const limit = before === undefined ? Number.POSITIVE_INFINITY : Date.parse(before);
  const ids = await listBackupIds(repository);
  for (const id of ids.toReversed()) {
    try {
      const manifest = await readManifest(repository, id);
      if (manifest.kind !== 'schema' && Date.parse(manifest.source.snapshotAt) <= limit) return manifest;
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      onDamaged(error);
    }
  }
  throw new ConfigurationError(
    `backup-id: no backup at ${repository.storage.location} fits ${choice} (it holds ${ids.length})`,
    ids.length === 0 ? 'Run a backup first.' : `The oldest is ${ids[0]}, the newest ${ids.at(-1)}.`,
  );
}

/** Every object that a listed backup refers to, by name. A damaged manifest refers to nothing and is reported. */
export async function readKnownObjects(
  repository: Repository,
  onDamaged: (error: IntegrityError) => void,
): Promise<Map<string, StoredObject>> {
  const known = new Map<string, StoredObject>();
  for (const id of await listBackupIds(repository)) {
    try {
      for (const object of (await readManifest(repository, id)).objects) known.set(object.name, object);
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      onDamaged(error);
    }
  }
  return known;
}
