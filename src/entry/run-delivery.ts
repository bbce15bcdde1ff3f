import type { RecordedInputs } from '../interface/inputs/types.ts';
import { fileCertificates } from '../postgres/session/root-certificates.ts';
import { tryRecords, withRecords } from '../records/connection.ts';
import { type Delivery, deliverRecords } from '../records/delivery.ts';
import { formatCounted } from '../report/quantity.ts';
import type { Repository } from '../repository/open.ts';
import type { Context } from '../runtime/context.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { openStorage } from '../storage/open.ts';
import type { Storage } from '../storage/storage.ts';
import { createTemporaryFolder } from './process/temporary-folder.ts';

type RunContext = Omit<Context, 'temporaryFolder'>;

/**
 * Brings the records that the database of `records-url` lacks, those of this run among them. Never throws: a
 * database that cannot be written is a warning, and what it lacks arrives with a later run. A run that was
 * stopped brings nothing.
 */
export async function bringRecords(
  given: RecordedInputs,
  open: (storage: Storage) => Promise<Repository>,
  runContext: RunContext,
): Promise<void> {
  const { recordsUrl } = given;
  if (recordsUrl === undefined || runContext.signal.aborted) return;
  const found = await tryRecords(runContext, async (signal) => {
    const temporaryFolder = createTemporaryFolder(runContext.env.RUNNER_TEMP);
    const context = { ...runContext, signal, temporaryFolder };
    const inputs = { ...fileCertificates(given, context), recordsUrl };
    return await withRecords(inputs, context, async (session) => {
      await using storage = await openStorage(inputs.storage, inputs, context);
      return await deliverRecords(await open(storage), session, context);
    });
  });
  if (found !== undefined) tell(found, runContext);
}

function tell(found: Delivery, { log }: Pick<Context, 'log'>): void {
  if (found.kind === 'newer') {
    log.warn(
      say`${nameInput('records-url')}: a newer version of supabase-backup created the tables there (version ${found.version}), so this run is not recorded in them. Use that version everywhere.`,
    );
    return;
  }
  log.debug(`${formatCounted(found.records, 'record')} copied to the database for records`);
  if (found.left > 0)
    log.info(
      `${formatCounted(found.left, 'record')} still to be copied to the database for records by later runs; \`records rebuild\` copies them now`,
    );
}

/** A repository in an artifact has no records of runs that could be brought. */
export function warnOfArtifact({ recordsUrl }: RecordedInputs, { log }: Pick<Context, 'log'>): void {
  if (recordsUrl === undefined) return;
  log.warn(
    say`${nameInput('records-url')}: a repository in an artifact keeps no records of runs, so there is nothing to copy`,
  );
}
