import type { Basis, Estimate, SourceSize } from '../../interface/estimate.ts';
import type { MeasuredInputs } from '../../interface/inputs/types.ts';
import { readTables } from '../../postgres/catalog/tables.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { openReached } from '../../postgres/session/reach.ts';
import { describeConnection } from '../../postgres/session/settings.ts';
import type { Context } from '../../runtime/context.ts';
import { readIdentity } from '../../source/identity.ts';
import { checkServer } from '../../source/preflight.ts';
import { measureSource } from '../../source/sample.ts';
import { refuseUnmatched } from '../../source/unmatched.ts';
import { gigabyte, priceEgress } from '../../supabase/egress.ts';
import { createSelection } from '../../values/table-patterns.ts';
import { countKept, readBasis } from './basis.ts';

/**
 * Reaches the database and estimates what its backups come to. Changes nothing.
 *
 * @throws ConfigurationError or SourceError when the database cannot be reached, or nobody supports its version
 */
export async function measureDatabase(inputs: MeasuredInputs, context: Context): Promise<Estimate> {
  const basis = await readBasis(inputs, context);
  const { databaseUrl, sslrootcert } = inputs;
  const { settings, session } = await openReached('database-url', databaseUrl, sslrootcert, context);
  try {
    checkServer(session);
    return await estimateBackups(session, describeConnection(settings), basis, inputs);
  } finally {
    session.destroy();
  }
}

/**
 * Estimates what backups of a database come to: measures its tables, and reads a little of the largest.
 *
 * @param session of its own, as `measureSource` needs it
 */
export async function estimateBackups(
  session: Session,
  database: string,
  basis: Basis,
  inputs: Pick<MeasuredInputs, 'include' | 'exclude' | 'jobs' | 'compressionLevel'>,
): Promise<Estimate> {
  const tables = await readTables(session);
  refuseUnmatched('include', inputs.include, tables);
  refuseUnmatched('exclude', inputs.exclude, tables);
  const chosen = tables.filter(createSelection(inputs.include, inputs.exclude));
  const { serverEncoding } = await readIdentity(session);
  const size = await measureSource(session, chosen, serverEncoding, inputs.compressionLevel);
  return {
    ...{ database, size, basis },
    time: estimateTime(size, inputs.jobs),
    egress: {
      ofFull: priceEgress(size.wireBytes),
      ofMonth: priceEgress(size.wireBytes * basis.fullBackups),
    },
    storage: estimateStorage(size.storedBytes, basis),
  };
}

function estimateTime({ sample, wireBytes }: SourceSize, jobs: number): Estimate['time'] {
  if (sample === undefined || sample.bytes === 0) return undefined;
  const most = (wireBytes / sample.bytes) * sample.milliseconds;
  return { least: most / jobs, most, jobs };
}

function estimateStorage(stored: number, basis: Basis): Estimate['storage'] {
  const backups = countKept(basis.retention, basis.allBackups);
  const cost = (bytes: number) => (bytes / gigabyte) * basis.pricePerGbMonth;
  const [leastBytes, mostBytes] = [stored, stored * backups];
  return { backups, leastBytes, mostBytes, leastCost: cost(leastBytes), mostCost: cost(mostBytes) };
}
