import type { TLSSocket } from 'node:tls';
import type { DoctorInputs } from '../../../interface/inputs/types.ts';
import { isNearby } from '../../../postgres/session/hosts.ts';
import { knock, type LookUp, locate, type Whereabouts } from '../../../postgres/session/knock.ts';
import { openReached } from '../../../postgres/session/reach.ts';
import { isAboutTls } from '../../../postgres/session/refusal.ts';
import {
  type ConnectionSettings,
  describeConnection,
  parseConnection,
} from '../../../postgres/session/settings.ts';
import { formatDuration } from '../../../report/quantity.ts';
import type { Context } from '../../../runtime/context.ts';
import { type Examination, type Finding, ok, unchecked, warning } from '../examination.ts';

/**
 * Checks the way to the database a step at a time: the form of the connection string, the address, whether
 * anything answers, whether the connection is encrypted, and whether the role is let in.
 *
 * @returns settings that have reached the database; undefined when they have not
 */
export async function checkConnection(
  examination: Examination,
  inputs: Pick<DoctorInputs, 'databaseUrl' | 'sslrootcert'>,
  lookUp: LookUp,
  context: Context,
): Promise<ConnectionSettings | undefined> {
  const written = await examination.run('connection-string', async () => {
    const settings = parseConnection('database-url', inputs.databaseUrl, context, inputs.sslrootcert);
    return ok(`${describeForm(settings)}: ${describeConnection(settings)}`, settings);
  });
  const places = await examination.run('address', () => judgeAddresses(given(written), lookUp), {
    needs: ['connection-string'],
    limitMs: 20_000,
  });
  await examination.run('reach', (signal) => judgeReach(given(places), signal), { needs: ['address'] });
  return logIn(examination, inputs, written, context);
}

/** A host, and where it is */
interface Place {
  readonly settings: ConnectionSettings;
  readonly where: Whereabouts;
}

/** One of several hosts suffices, as it does for a session. */
async function judgeAddresses(
  written: ConnectionSettings,
  lookUp: LookUp,
): Promise<Finding<readonly Place[]>> {
  const places: Place[] = [];
  let failure: unknown;
  for (const settings of [written, ...(written.others ?? [])]) {
    try {
      places.push({ settings, where: await locate(settings, lookUp) });
    } catch (error) {
      failure = error;
    }
  }
  if (places.length === 0) throw failure;
  const names = places.flatMap(({ where }) =>
    where.kind === 'socket' ? ['a socket of this machine'] : where.addresses,
  );
  return ok(names.join(', '), places);
}

async function judgeReach(places: readonly Place[], signal: AbortSignal): Promise<Finding> {
  let failure: unknown;
  for (const { settings, where } of places) {
    try {
      return ok(`something answers after ${formatDuration(await knock(settings, where, signal))}`);
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}

async function logIn(
  examination: Examination,
  { databaseUrl, sslrootcert }: Pick<DoctorInputs, 'databaseUrl' | 'sslrootcert'>,
  written: ConnectionSettings | undefined,
  context: Context,
): Promise<ConnectionSettings | undefined> {
  let refusal: unknown;
  const settings = await examination.run(
    'tls',
    async (signal) => {
      try {
        const reached = await openReached('database-url', databaseUrl, sslrootcert, { ...context, signal });
        const finding = judgeTls(reached.settings, reached.session.stream as Partial<TLSSocket>);
        reached.session.destroy();
        return { ...finding, value: reached.settings };
      } catch (error) {
        if (isAboutTls(error) || signal.aborted) throw error;
        refusal = error;
        return unchecked('the login was refused before the connection could be checked');
      }
    },
    { needs: ['reach'] },
  );
  await examination.run(
    'login',
    async () => {
      if (refusal !== undefined) throw refusal;
      const { user, database } = given(written);
      return ok(`${user} is let into ${database}`);
    },
    { needs: refusal === undefined ? ['tls'] : ['reach'] },
  );
  return settings;
}

/** Names the way that a connection string takes, as Supabase's dashboard does. */
function describeForm({ host, others }: ConnectionSettings): string {
  if (others !== undefined) return `the first of ${others.length + 1} hosts`;
  if (/\.pooler\.supabase\.com$/i.test(host)) return 'the session pooler';
  if (/^db\.[a-z0-9]+\.supabase\.co$/i.test(host)) return 'the direct host of a project';
  return 'a direct connection';
}

const authority = 'Give the certificate authority with sslrootcert; Supabase has it under Database settings.';

/** Judges how a session is encrypted; the meaning of each mode is libpq's (PostgreSQL manual, table 34.1). */
function judgeTls(
  { host, sslMode, sslRootCert }: ConnectionSettings,
  stream: Partial<TLSSocket>,
): Finding<never> {
  if (stream.encrypted !== true) {
    const what = host.startsWith('/') ? 'a socket of this machine needs none' : 'nothing is encrypted';
    return isNearby(host)
      ? ok(host.startsWith('/') ? what : `${what}; the host is of this machine or of a private network`)
      : warning(`${what}, and the host is on the internet`, 'Use sslmode=verify-full.');
  }
  const version = stream.getProtocol?.() ?? 'TLS';
  if (sslMode === 'verify-full') return ok(`${version}; the certificate and its name are verified`);
  const isChecked = sslMode === 'verify-ca' || (sslMode === 'require' && sslRootCert !== undefined);
  if (isChecked)
    return warning(
      `${version}; the certificate is verified, but not that it belongs to ${host}`,
      'Use sslmode=verify-full.',
    );
  const what = `${version}; the certificate is not verified`;
  return isNearby(host)
    ? ok(`${what}; the host is of this machine or of a private network`)
    : warning(`${what}: somebody in between could get the password`, authority);
}

/** A check runs only when those that it needs have handed on what they found. */
function given<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('a check ran before what it needs');
  return value;
}
