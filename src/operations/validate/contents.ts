import { rm } from 'node:fs/promises';
import type { Manifest } from '../../format/manifest.ts';
import { findClient } from '../../postgres/client/find.ts';
import type { ClientSource } from '../../postgres/client/places.ts';
import { ToolError } from '../../postgres/client/process.ts';
import { readContents } from '../../postgres/client/table-of-contents.ts';
import { fetchArchive } from '../../repository/objects/archive-file.ts';
import type { ObjectReader } from '../../repository/objects/store.ts';
import { readSupplement } from '../../repository/objects/supplement.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, IntegrityError, messageOf } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';

/**
 * Has pg_restore list the archive of a backup.
 *
 * @returns what is wrong with it; undefined when nothing is
 * @throws ConfigurationError when the client programs are too old to tell
 */
export async function checkArchive(
  manifest: Manifest,
  reader: ObjectReader,
  source: ClientSource,
  context: Context,
): Promise<string | undefined> {
  const client = await findClient(Math.floor(manifest.source.serverVersion / 10000), context, source);
  let file: string | undefined;
  try {
    file = await fetchArchive(manifest, reader, context);
    await readContents(client, file, manifest.facts.roles, context);
    return undefined;
  } catch (error) {
    if (error instanceof ToolError && /unsupported version/.test(error.message)) {
      throw new ConfigurationError(
        say`${nameInput('client-path')}: pg_restore ${client.version} is too old for the archive of backup ${manifest.id}: ${messageOf(error)}`,
        say`Set the folder of newer client programs with ${nameInput('client-path')}. Those that created the backup can read it.`,
        error,
      );
    }
    if (error instanceof ToolError || error instanceof IntegrityError) return messageOf(error);
    throw error;
  } finally {
    if (file !== undefined) await rm(file, { force: true });
  }
}

/**
 * Reads the supplement of a backup.
 *
 * @returns what is wrong with it; undefined when nothing is
 */
export async function checkSupplement(manifest: Manifest, reader: ObjectReader): Promise<string | undefined> {
  try {
    await readSupplement(manifest, reader);
    return undefined;
  } catch (error) {
    if (error instanceof IntegrityError) return error.message;
    throw error;
  }
}
