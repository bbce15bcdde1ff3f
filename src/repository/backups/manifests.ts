import * as v from 'valibot';
import { parseBounded } from '../../format/bounded-json.ts';
import {
  addPurpose,
  count,
  type Manifest,
  manifestFields,
  manifestSchema,
  purpose,
  snapshot,
  time,
} from '../../format/manifest.ts';
import { ConfigurationError, IntegrityError, messageOf, StorageError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { StoredValue } from '../../storage/storage.ts';
import { timedId } from '../../values/timed-id.ts';
import { commit } from '../commit.ts';
import type { Repository } from '../open.ts';
import { fetchSealed, sealContent } from '../signature.ts';

const keyPattern = new RegExp(`^backups/(${timedId}).json$`);

export function manifestKey(id: string): string {
  return `backups/${id}.json`;
}

/** Lists the ids of all backups that exist, oldest first. */
export async function listBackupIds(repository: Repository): Promise<string[]> {
  return [...(await listManifests(repository)).keys()].sort();
}

/** Lists the manifests that exist, by the id of the backup. */
export async function listManifests({ storage }: Repository): Promise<Map<string, StoredValue>> {
  const manifests = new Map<string, StoredValue>();
  for await (const value of storage.list('backups/')) {
    const id = keyPattern.exec(value.key)?.[1];
    if (id !== undefined) manifests.set(id, value);
  }
  return manifests;
}

/**
 * Commits a backup: after this it exists, before this it does not. Never replaces a manifest.
 *
 * @param prove throws when a condition does not hold that must hold before the manifest is written
 * @throws StorageError when the manifest exists already, and as `commit` does
 */
export async function writeManifest(
  repository: Repository,
  manifest: Manifest,
  prove?: () => Promise<unknown>,
): Promise<void> {
  const bytes = sealContent(repository, 'manifest', manifest);
  const what = `backup ${manifest.id}`;
  if (!(await commit(repository, { key: manifestKey(manifest.id), bytes, what, prove }))) {
    throw new StorageError(
      `${manifestKey(manifest.id)} already exists in ${repository.storage.location}`,
      'Run the backup again; it gets a new id.',
    );
  }
}

/**
 * Reads and checks a manifest.
 *
 * @throws IntegrityError when it is damaged, truncated or was not written with this repository's key
 * @throws ConfigurationError when there is no such backup
 */
export async function readManifest(repository: Repository, id: string): Promise<Manifest> {
  const manifest = await readIfPresent(repository, id);
  if (manifest) return manifest;
  throw new ConfigurationError(
    say`${nameInput('backup-id')}: there is no backup ${id} at ${repository.storage.location}`,
    'Give the id of an existing backup, or latest; `list` shows them all.',
  );
}

/**
 * Like `readManifest`, for callers that go through all backups: undefined when a cleanup has removed the
 * backup after it was listed.
 *
 * @throws IntegrityError as `readManifest` does
 */
export async function readIfPresent(repository: Repository, id: string): Promise<Manifest | undefined> {
  const open = await readSealed(repository, id);
  const manifest = open && parseAs(repository, id, manifestSchema, open);
  const lost = manifest && findDanglingPiece(manifest);
  if (lost !== undefined) throw toDamageError(id, `it is sealed but ${lost} points outside of its objects`);
  const miscounted = manifest && findMiscounted(manifest);
  if (miscounted !== undefined)
    throw toDamageError(id, `it is sealed but ${miscounted} is not the sum of its parts`);
  return manifest;
}

const { database, systemIdentifier, timeline, databaseOid, definitions } = manifestFields.source.entries;

/** Determines which captured changes can be replayed on a backup: see changes/recoverable.ts. */
const outlinePosition = {
  database,
  systemIdentifier,
  timeline,
  databaseOid,
  snapshot,
  lsn: v.pipe(v.string(), v.regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/)),
  snapshotAt: v.pipe(time, v.regex(/^\d{4}-\d\d-\d\dT.*Z$/)),
  definitions,
};

const outlineFields = {
  id: v.string(),
  kind: manifestFields.kind,
  base: manifestFields.base,
  fullBecause: manifestFields.fullBecause,
  label: v.nullable(v.string()),
  pin: v.boolean(),
  startedAt: time,
  finishedAt: time,
  source: v.object({ serverVersion: count, ...outlinePosition }),
  encryption: manifestFields.encryption,
  totals: manifestFields.totals,
};

const outlineOfFormat2 = v.object({ format: v.literal(2), purpose, ...outlineFields });
const outlineOfFormat1 = v.object({ format: v.literal(1), ...outlineFields });

/** The part of a manifest that describes the backup, without its contents. */
export type ManifestOutline = v.InferOutput<typeof outlineOfFormat2>;

/** Reads outlines of both formats, from a manifest or from the cache. The output is of format 2. */
export const outlineSchema: v.GenericSchema<unknown, ManifestOutline> = v.variant('format', [
  outlineOfFormat2,
  v.pipe(outlineOfFormat1, v.transform(addPurpose)),
]);

/**
 * Reads what a list of many backups needs of each. It checks the seal over the whole manifest, but parses
 * only what precedes the objects, which takes a fraction of the time of `readManifest`. Undefined when there
 * is no such backup.
 *
 * @throws IntegrityError as `readManifest` does
 */
export async function readOutline(repository: Repository, id: string): Promise<ManifestOutline | undefined> {
  const open = await readSealed(repository, id);
  return open && parseAs(repository, id, outlineSchema, open.subarray(0, findObjects(id, open)));
}

/** Returns what `readOutline` would read of a manifest. */
export function outlineOf(manifest: Manifest): ManifestOutline {
  return v.parse(outlineSchema, manifest);
}

/** Reads the outline of the newest intact backup; undefined when there is none. */
export async function readNewestOutline(repository: Repository): Promise<ManifestOutline | undefined> {
  for (const id of (await listBackupIds(repository)).toReversed()) {
    try {
      const outline = await readOutline(repository, id);
      if (outline) return outline;
    } catch (error) {
      // Damaged manifests are reported by the search for a base, and by validate.
      if (!(error instanceof IntegrityError)) throw error;
    }
  }
  return undefined;
}

/**
 * Reads the names of all objects that a backup needs; undefined when there is no such backup.
 *
 * @throws IntegrityError as `readManifest` does
 */
export async function readObjectNames(repository: Repository, id: string): Promise<string[] | undefined> {
  const open = await readSealed(repository, id);
  if (open === undefined) return undefined;
  const start = findObjects(id, open);
  // Objects hold numbers and hexadecimal digits, so the first bracket is the one that ends the list.
  const list = open.subarray(start, open.indexOf(']', start + objectsField.length));
  const names: string[] = [];
  // Parsed as JSON, a million names take four times as long.
  for (let at = list.indexOf(nameField); at >= 0; at = list.indexOf(nameField, at)) {
    at += nameField.length;
    const name = list.toString('latin1', at, at + nameLength);
    if (!/^[0-9a-f]{64}$/.test(name))
      throw toDamageError(id, 'it is sealed but names an object that cannot be');
    names.push(name);
  }
  return names;
}

const nameField = '{"name":"';
const nameLength = 64;

/** Only quotes between fields are unescaped, so no text of a user can look like this. */
const objectsField = ',"objects":[';

/** Finds where the objects begin; every field that describes the backup precedes them. */
function findObjects(id: string, open: Buffer): number {
  const at = open.indexOf(objectsField);
  if (at < 0) throw toDamageError(id, 'it is sealed but lists no objects');
  return at;
}

/** Reads the content of a manifest without its closing brace; undefined when there is no such backup. */
function readSealed(repository: Repository, id: string): Promise<Buffer | undefined> {
  return fetchSealed(repository, 'manifest', manifestKey(id), (how, cause) => toDamageError(id, how, cause));
}

function parse<Schema extends v.GenericSchema>(
  id: string,
  schema: Schema,
  open: Buffer,
): v.InferOutput<Schema> {
  let parsed: v.SafeParseResult<Schema>;
  try {
    parsed = v.safeParse(schema, parseBounded(open, '}'), { abortEarly: true });
  } catch (cause) {
    throw toDamageError(id, messageOf(cause), cause);
  }
  if (parsed.success) return parsed.output;
  throw toFormError(id, parsed.issues);
}

/** Says why a manifest with a valid seal cannot be read: a newer version wrote it, or its form is unknown. */
function toFormError(id: string, issues: readonly [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]) {
  const [{ received }] = issues;
  if (v.getDotPath(issues[0]) === 'format' && /^\d{1,15}$/.test(received)) {
    return new IntegrityError(
      `manifest ${manifestKey(id)} has format ${received}; this version reads formats 1 and 2`,
      'Use the version of supabase-backup that wrote it, or a newer one.',
    );
  }
  const paths = issues
    .slice(0, 3)
    .map((issue) => `${v.getDotPath(issue) ?? 'manifest'}: ${issue.message.slice(0, 150)}`);
  return toDamageError(id, `it is sealed but not of format 1 or 2 (${paths.join('; ')})`);
}

function parseAs<Schema extends typeof manifestSchema | typeof outlineSchema>(
  { source }: Repository,
  id: string,
  schema: Schema,
  open: Buffer,
): v.InferOutput<Schema> {
  const output = parse(id, schema, open);
  if (output.id !== id) throw toDamageError(id, `it says that it is backup ${output.id.slice(0, 40)}`);
  // When several repositories share a key, a manifest of another one has a valid seal too.
  const { systemIdentifier, database } = output.source;
  if (systemIdentifier !== source.systemIdentifier || database !== source.database) {
    throw toDamageError(
      id,
      `it is of database ${JSON.stringify(database.slice(0, 63))} of server ${systemIdentifier.slice(0, 40)}, and not of the one whose backups these are`,
    );
  }
  return output;
}

function toDamageError(id: string, how: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    `manifest ${manifestKey(id)}: ${how}`,
    'Use another backup. This one cannot be trusted.',
    cause,
  );
}

/** Names the part that refers to bytes beyond its objects. */
function findDanglingPiece(manifest: Manifest): string | undefined {
  const { objects } = manifest;
  if (manifest.archive.objects.some((index) => objects[index] === undefined)) return 'its archive';
  if (manifest.supplement.objects.some((index) => objects[index] === undefined)) return 'its supplement';
  return manifest.tables.find((table) =>
    table.ranges.some((range) =>
      range.pieces.some((piece) => piece.offset + piece.length > (objects[piece.object]?.bytes ?? -1)),
    ),
  )?.name;
}

/**
 * Names the part whose numbers are not the sum of its own parts. A restore announces sizes and checks free
 * space by these numbers, but loads the parts, and the parts may list the same object any number of times.
 */
function findMiscounted({ objects, archive, supplement, tables, totals }: Manifest): string | undefined {
  const sum = (parts: readonly number[]) => parts.reduce((one, other) => one + other, 0);
  const sizeOf = (indexes: readonly number[]) => sum(indexes.map((index) => objects[index]?.bytes ?? 0));
  if (sizeOf(archive.objects) !== archive.bytes) return 'the size of its archive';
  if (sizeOf(supplement.objects) !== supplement.bytes) return 'the size of its supplement';
  const wrong = tables.find(
    ({ ranges, rows, bytes }) =>
      sum(ranges.map((range) => range.rows)) !== rows ||
      sum(ranges.flatMap(({ pieces }) => pieces.map(({ length }) => length))) !== bytes,
  );
  if (wrong !== undefined) return `what it says of table ${JSON.stringify(wrong.name.slice(0, 63))}`;
  if (sum(tables.map(({ rows }) => rows)) !== totals.rows) return 'the number of all rows';
  const bytes = sum(tables.map((table) => table.bytes)) + archive.bytes + supplement.bytes;
  return bytes === totals.bytes ? undefined : 'the size of all of it';
}
