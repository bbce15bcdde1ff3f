import { ConfigurationError } from '../../runtime/errors.ts';
import { askFor, nameInput, say } from '../../runtime/wording.ts';
import { findNearest } from '../../values/nearest.ts';
import { databaseUrlForm } from './database-values.ts';
import { takeDoctor, takeEstimate } from './doctor-inputs.ts';
import { takeManaged, takeManagedRestore } from './managed-inputs.ts';
import { type Operation, operations } from './operations.ts';
import { type InputName, inputNames, inputs, type ReadInput } from './schema.ts';
import { takeInit, takeKeygen, takeSchedule } from './setup-inputs.ts';
import {
  requireManagement,
  takeAccess,
  takeCommon,
  takeCopies,
  takeLabelled,
  takeLimits,
  takeManagement,
  takeRecording,
  takeRetention,
  takeSource,
  takeVaultKey,
} from './shared-inputs.ts';
import type { CommonInputs } from './shared-types.ts';
import { Taker, toConfigurationError } from './taker.ts';
import type { Inputs } from './types.ts';
import { list, quoteWord } from './values.ts';

/**
 * Reads, checks and types the inputs of the operation that they name.
 *
 * @throws ConfigurationError listing everything that is wrong, so a user need not run it once per mistake
 */
export function parseInputs(read: ReadInput, env: NodeJS.ProcessEnv): Inputs {
  const taker = new Taker(parseOperation(read), read);
  const parsed = takeInputs(taker, env);
  refuseMissingDatabase(taker, parsed, read, env);
  if (taker.mistakes.length > 0) throw toConfigurationError(taker.operation, taker.mistakes);
  return parsed;
}

function refuseMissingDatabase(taker: Taker, parsed: Inputs, read: ReadInput, env: NodeJS.ProcessEnv): void {
  const readsDatabase =
    ['backup', 'capture'].includes(parsed.operation) ||
    (parsed.operation === 'gate' && parsed.onStale === 'backup');
  if (!readsDatabase || read('database-url')?.trim() || env.PGHOST) return;
  taker.note(
    'database-url',
    `is required for ${taker.operation}, because PGHOST is not set either`,
    say`${askFor('database-url', databaseUrlForm)}`,
  );
}

/** Each operation takes its own inputs; mistakes are listed in the order in which inputs are taken. */
function takeInputs(taker: Taker, env: NodeJS.ProcessEnv): Inputs {
  const { operation } = taker;
  if (operation === 'schedule') return takeSchedule(taker);
  if (operation === 'report') return takeReport(taker, env);
  if (operation === 'doctor') return takeDoctor(taker, env);
  if (operation === 'estimate') return takeEstimate(taker, env);
  if (operation === 'managed') return takeManaged(taker, env);
  if (operation === 'init') return takeInit(taker);
  if (operation === 'keygen') return takeKeygen(taker);
  if (operation === 'restore' && taker.take('managed')) return takeManagedRestore(taker, env);
  const common = takeCommon(taker, env);
  switch (operation) {
    case 'backup':
      return { ...takeBackup(taker, common, env), copies: takeCopies(taker, common, env) };
    case 'capture':
      return { ...takeCapture(taker, common, env), copies: takeCopies(taker, common, env) };
    case 'gate':
      return { ...takeGate(taker, common, env), copies: takeCopies(taker, common, env) };
    case 'status':
      return { ...takeStatus(taker, common, env), copies: takeCopies(taker, common, env) };
    case 'validate':
      return { ...takeValidate(taker, common), copies: takeCopies(taker, common, env) };
    case 'drill':
      return { ...takeDrill(taker, common), copies: takeCopies(taker, common, env) };
    case 'cleanup':
      return takeCleanup(taker, common);
    case 'alarm':
      return takeAlarm(taker, common);
    case 'list':
      return takeList(taker, common);
    case 'show':
      return { operation, ...common, backupId: taker.takeBackupId(['latest', 'before:<time>']) };
    case 'pin':
    case 'unpin':
      return {
        ...{ operation, ...common, backupId: taker.takeBackupId(['latest', 'before:<time>']) },
        ...takeRecording(taker),
      };
    case 'records':
      return takeRecords(taker, common);
    case 'restore':
      return { ...takeRestore(taker, common, env), copies: takeCopies(taker, common, env) };
    case 'mirror':
    case 'repair':
      return {
        ...{ operation, ...common, copies: takeCopies(taker, common, env) },
        ...{ share: taker.take('share'), dryRun: taker.take('dry-run') },
        ...takeRecording(taker),
      };
  }
}

function takeBackup(taker: Taker, common: CommonInputs, env: NodeJS.ProcessEnv) {
  return {
    ...takeLabelled(taker, common, env),
    operation: 'backup' as const,
    backupType: taker.take('backup-type'),
    pin: taker.take('pin'),
  };
}

function takeCapture(taker: Taker, common: CommonInputs, env: NodeJS.ProcessEnv) {
  return {
    ...takeSource(taker, common, env),
    operation: 'capture' as const,
    unlimitedWal: taker.take('unlimited-wal'),
    dropSlot: taker.take('drop-slot'),
  };
}

function takeGate(taker: Taker, common: CommonInputs, env: NodeJS.ProcessEnv) {
  return {
    ...takeLabelled(taker, common, env),
    ...takeLimits(taker),
    operation: 'gate' as const,
    onStale: taker.take('on-stale'),
    migrations: taker.take('migrations'),
    baseRef: taker.take('base-ref'),
  };
}

function takeStatus(taker: Taker, common: CommonInputs, env: NodeJS.ProcessEnv) {
  const databaseUrl = taker.take('database-url');
  const policy = taker.take('policy');
  return {
    operation: 'status' as const,
    ...common,
    ...takeLimits(taker),
    format: taker.take('format'),
    metricsFile: taker.take('metrics-file'),
    pricePerGbMonth: taker.take('price-per-gb-month'),
    database: taker.take('database'),
    policy,
    workflows: taker.take('workflows'),
    databaseUrl,
    sslrootcert: taker.take('sslrootcert'),
    ...takeManagement(taker, { databaseUrl, policy }, env),
    digest: taker.take('digest') ? takeRetention(taker) : undefined,
  };
}

function takeReport(taker: Taker, env: NodeJS.ProcessEnv) {
  const place = taker.takeStorageOrPolicy();
  const asked = taker.takeReportKind();
  const access = takeAccess(taker, place.storage, env);
  const copies = takeCopies(taker, { ...place, s3Endpoint: access.s3Endpoint }, env);
  return {
    operation: 'report' as const,
    ...{ ...access, copies },
    ...takeLimits(taker),
    ...{ ...asked, output: taker.take('output'), period: taker.take('period') },
    ...{ ...place, database: taker.take('database') },
    workflows: taker.take('workflows'),
    pricePerGbMonth: taker.take('price-per-gb-month'),
    rtoTarget: taker.take('rto-target'),
    ...takeRetention(taker),
    ...takeManagement(taker, place, env),
    // The other kinds tell what there is without the platform, and a policy may name token and project.
    ...(asked.kind === 'managed' &&
      place.policy === undefined && { management: requireManagement(taker, undefined, undefined, env) }),
  };
}

function takeValidate(taker: Taker, common: CommonInputs) {
  const backupId = taker.takeBackupId(['latest', 'all']);
  const share = taker.take('share');
  return { operation: 'validate' as const, ...common, backupId, share, ...takeRecording(taker) };
}

function takeDrill(taker: Taker, common: CommonInputs) {
  return {
    operation: 'drill' as const,
    ...common,
    targetUrl: taker.take('target-url'),
    ...taker.takeRecoverable(),
    fallback: taker.take('fallback'),
    checks: taker.take('checks') ?? [],
    image: taker.take('image'),
    command: taker.take('command'),
    rtoTarget: taker.take('rto-target'),
    reportFolder: taker.take('report-folder'),
    jobs: taker.take('jobs'),
    ...takeRecording(taker),
  };
}

function takeCleanup(taker: Taker, common: CommonInputs) {
  const retention = taker.take('retention');
  const timeZone = taker.take('time-zone');
  return {
    operation: 'cleanup' as const,
    ...common,
    retention,
    timeZone,
    gracePeriod: taker.take('grace-period'),
    keepChanges: taker.take('keep-changes'),
    dryRun: taker.take('dry-run'),
    ...takeRecording(taker),
  };
}

function takeAlarm(taker: Taker, common: CommonInputs) {
  return {
    operation: 'alarm' as const,
    ...common,
    alarmOf: taker.take('alarm-of'),
    needs: taker.take('needs'),
  };
}

function takeList(taker: Taker, common: CommonInputs) {
  return {
    operation: 'list' as const,
    ...common,
    ...takeRetention(taker),
  };
}

function takeRestore(taker: Taker, common: CommonInputs, env: NodeJS.ProcessEnv) {
  const targetUrl = taker.take('target-url');
  return {
    operation: 'restore' as const,
    managed: false as const,
    ...common,
    targetUrl,
    vaultKey: takeVaultKey(taker, targetUrl, env),
    ...taker.takeRecoverable(),
    include: taker.take('include') ?? [],
    exclude: taker.take('exclude') ?? [],
    jobs: taker.take('jobs'),
    verify: taker.take('verify'),
    checks: taker.take('checks') ?? [],
    targetKind: taker.take('target-kind'),
    defaultPrivileges: taker.take('default-privileges'),
    environment: taker.take('environment'),
    confirmed: taker.take('confirm') !== undefined,
    clean: taker.take('clean'),
    safetyBackup: taker.take('safety-backup'),
    safetyStorage: taker.take('safety-storage'),
    stagingUrl: taker.take('staging-url'),
    image: taker.take('image'),
    fallback: taker.take('fallback'),
    sideSchema: taker.take('side-schema'),
    reportFolder: taker.take('report-folder'),
    dryRun: taker.take('dry-run'),
    ...takeRecording(taker),
  };
}

function takeRecords(taker: Taker, common: CommonInputs) {
  const { recordsUrl = '', sslrootcert } = takeRecording(taker);
  if (recordsUrl === '' && !taker.mistakes.some(({ name }) => name === 'records-url'))
    taker.note('records-url', 'is required for records', say`${askFor('records-url', databaseUrlForm)}`);
  const recordsTask = taker.take('records-task');
  const dryRun = taker.take('dry-run');
  return { operation: 'records' as const, ...common, recordsTask, recordsUrl, sslrootcert, dryRun };
}

function parseOperation(read: ReadInput): Operation {
  const text = read('operation')?.trim();
  const known = operations.find((operation) => operation === text);
  if (known !== undefined) return known;
  const near = text && findNearest(text, operations);
  throw new ConfigurationError(
    text
      ? say`${nameInput('operation')}: there is none named ${quoteWord(text)}`
      : say`${nameInput('operation')}: is required`,
    `${near ? `Did you mean ${near}? ` : ''}The operations are ${list(operations)}.`,
  );
}

/** Lists the given inputs that the operation does not read. An input at its default counts as not given. */
export function findUnused(operation: Operation, read: ReadInput): readonly InputName[] {
  return inputNames.filter((name) => {
    const input = inputs[name];
    const text = read(name)?.trim();
    return text && text !== input.default && !input.operations.includes(operation);
  });
}
