import { ConfigurationError } from '../../runtime/errors.ts';
import { databaseUrlForm } from './database-values.ts';
import { type Operation, operations } from './operations.ts';
import { type InputName, inputNames, inputs, type ReadInput, type schema } from './schema.ts';
import { drillable } from './time-values.ts';
import type { AlarmInputs, CommonInputs, Inputs } from './types.ts';
import { list, Problem } from './values.ts';

type Parsed<N extends InputName> = ReturnType<(typeof schema)[N]['parse']>;
type Taken<N extends InputName> = (typeof schema)[N] extends { required: true } | { default: unknown }
  ? Parsed<N>
  : Parsed<N> | undefined;

/**
 * Reads, checks and types the inputs of the operation they name. Throws one `ConfigurationError` that tells all that is wrong,
 * so that nobody has to run it once per mistake.
 */
export function parseInputs(read: ReadInput, env: NodeJS.ProcessEnv = process.env): Inputs {
  const operation = parseOperation(read);
  const problems: { name: InputName; problem: Problem }[] = [];

  function take<N extends InputName>(name: N): Taken<N> {
    try {
      const input = inputs[name];
      const text = read(name)?.trim() || defaultOf(name, operation);
      if (text !== undefined) return input.parse(text) as Taken<N>;
      if (input.required)
        throw new Problem(`is required for ${operation}`, `Set it, for example to ${input.example}.`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problems.push({ name, problem: error });
    }
    // Either it may be absent, or the problem just noted is thrown before anyone sees this value.
    return undefined as Taken<N>;
  }

  const parsed = takeAll();
  const readsDatabase =
    ['backup', 'capture'].includes(parsed.operation) ||
    (parsed.operation === 'gate' && parsed.onStale === 'backup');
  if (readsDatabase && !read('database-url')?.trim() && !env.PGHOST) {
    const missing = `is required for ${operation}, because PGHOST is not set either`;
    problems.push({
      name: 'database-url',
      problem: new Problem(missing, `Set it, for example to ${databaseUrlForm}.`),
    });
  }
  if (problems.length > 0) throw toConfigurationError(operation, problems);
  return parsed;

  /** @param words what an operation takes besides an id */
  function takeBackupId(words: readonly string[]): string {
    const id = take('backup-id');
    if (id === undefined) {
      if (!problems.some(({ name }) => name === 'backup-id')) {
        const problem = new Problem(`is required for ${operation}`, 'Write an id; `list` shows them all.');
        problems.push({ name: 'backup-id', problem });
      }
      return id;
    }
    const form = id.replace(/^before:.*/, 'before:<time>').replace(/^random:.*/, 'random:<interval>');
    if (!words.includes(form) && !/^\d/.test(id)) {
      const problem = new Problem(
        `cannot be ${form} for ${operation}`,
        `Write an id, ${words.join(' or ')}.`,
      );
      problems.push({ name: 'backup-id', problem });
    }
    return id;
  }

  /** Changes can be brought to a time from a backup that fits it, not from any that another rule has chosen. */
  function takeRecoverable() {
    const backupId = takeBackupId(drillable);
    const recoveryTargetTime = take('recovery-target-time');
    if (recoveryTargetTime !== undefined && backupId !== undefined && !/^(latest$|\d)/.test(backupId)) {
      const problem = new Problem(
        `cannot be ${backupId.replace(/:.*/, '')} together with recovery-target-time`,
        'Leave it out, and the best backup is taken; or write an id.',
      );
      problems.push({ name: 'backup-id', problem });
    }
    return { backupId, recoveryTargetTime };
  }

  function takeSource(common: CommonInputs) {
    return {
      ...common,
      databaseUrl: take('database-url'),
      include: take('include') ?? [],
      exclude: take('exclude') ?? [],
      encryptionRecipients: take('encryption-recipients') ?? [],
      compressionLevel: take('compression-level'),
      jobs: take('jobs'),
      lockTimeoutSeconds: take('lock-timeout'),
      recheck: take('recheck'),
      ledger: take('ledger'),
      checks: take('checks') ?? [],
      freshness: take('freshness') ?? [],
      sslrootcert: take('sslrootcert'),
      allowUnencrypted: take('allow-unencrypted'),
    };
  }

  function takeBackup(common: CommonInputs) {
    return { ...takeSource(common), label: take('label') ?? null };
  }

  function takeLimits() {
    return {
      maxAge: take('max-age'),
      verifiedWithin: take('verified-within'),
      drilledWithin: take('drilled-within'),
    };
  }

  function takeAll(): Inputs {
    if (operation === 'schedule') {
      return {
        operation,
        policy: take('policy'),
        workflows: take('workflows'),
        check: take('check'),
        dryRun: take('dry-run'),
        githubToken: take('github-token'),
      };
    }
    const storage = take('storage');
    // The SDK would follow these on its own, but as if they were Amazon's.
    const awsEndpoint = storage?.startsWith('s3:')
      ? env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL
      : undefined;
    const common: CommonInputs = {
      storage,
      s3Endpoint: take('s3-endpoint') ?? awsEndpoint,
      s3Region: take('s3-region'),
      s3Addressing: take('s3-addressing'),
      s3Sse: take('s3-sse'),
      s3StorageClass: take('s3-storage-class'),
      repositoryKey: take('repository-key'),
      encryptionIdentity: take('encryption-identity') ?? [],
      clientPath: take('client-path'),
      installClient: take('install-client'),
      artifactRetentionDays: take('artifact-retention-days'),
      githubToken: take('github-token'),
    };
    switch (operation) {
      case 'backup':
        return {
          ...takeBackup(common),
          operation,
          backupType: take('backup-type'),
          pin: take('pin'),
        };
      case 'capture':
        return {
          ...takeSource(common),
          operation,
          unlimitedWal: take('unlimited-wal'),
          dropSlot: take('drop-slot'),
        };
      case 'gate':
        return {
          ...takeBackup(common),
          ...takeLimits(),
          operation,
          onStale: take('on-stale'),
          migrations: take('migrations'),
          baseRef: take('base-ref'),
        };
      case 'status':
        return { operation, ...common, ...takeLimits() };
      case 'validate': {
        const backupId = takeBackupId(['latest', 'all']);
        return { operation, ...common, backupId, share: take('share') };
      }
      case 'drill':
        return {
          operation,
          ...common,
          targetUrl: take('target-url'),
          ...takeRecoverable(),
          fallback: take('fallback'),
          checks: take('checks') ?? [],
          image: take('image'),
          command: take('command'),
          rtoTarget: take('rto-target'),
          reportFolder: take('report-folder'),
          jobs: take('jobs'),
          sslrootcert: take('sslrootcert'),
        };
      case 'cleanup': {
        const retention = take('retention');
        const timeZone = take('time-zone');
        return {
          operation,
          ...common,
          retention,
          timeZone,
          gracePeriod: take('grace-period'),
          keepChanges: take('keep-changes'),
          dryRun: take('dry-run'),
        };
      }
      case 'alarm':
        return { operation, ...common, alarmOf: take('alarm-of'), needs: take('needs') };
      case 'list':
        return {
          operation,
          ...common,
          retention: take('retention'),
          timeZone: take('time-zone'),
          keepChanges: take('keep-changes'),
        };
      case 'show':
      case 'pin':
      case 'unpin':
        return { operation, ...common, backupId: takeBackupId(['latest']) };
      case 'restore': {
        return {
          operation,
          ...common,
          targetUrl: take('target-url'),
          ...takeRecoverable(),
          include: take('include') ?? [],
          exclude: take('exclude') ?? [],
          jobs: take('jobs'),
          verify: take('verify'),
          checks: take('checks') ?? [],
          targetKind: take('target-kind'),
          defaultPrivileges: take('default-privileges'),
          environment: take('environment'),
          confirmed: take('confirm') !== undefined,
          clean: take('clean'),
          safetyBackup: take('safety-backup'),
          safetyStorage: take('safety-storage'),
          stagingUrl: take('staging-url'),
          image: take('image'),
          fallback: take('fallback'),
          sideSchema: take('side-schema'),
          reportFolder: take('report-folder'),
          dryRun: take('dry-run'),
          sslrootcert: take('sslrootcert'),
        };
      }
    }
  }
}

/**
 * Who wants to hear of the end of an operation. Read apart from the operation's own inputs, because a mistake in these is a failure, too.
 *
 * @throws ConfigurationError
 */
export function parseAlarms(read: ReadInput): AlarmInputs {
  const problems: { name: InputName; problem: Problem }[] = [];
  function take<N extends InputName>(name: N): Parsed<N> | undefined {
    const text = read(name)?.trim() || (inputs[name].default as string | undefined);
    if (text === undefined) return undefined;
    try {
      return inputs[name].parse(text) as Parsed<N>;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problems.push({ name, problem: error });
      return undefined;
    }
  }
  const alarms: AlarmInputs = {
    githubToken: take('github-token'),
    database: take('database'),
    failureIssues: take('failure-issues') ?? false,
    issueLabels: take('issue-labels') ?? [],
    issueAssignees: take('issue-assignees') ?? [],
    issueMentions: take('issue-mentions') ?? [],
    notifyUrl: take('notify-url'),
    slackWebhookUrl: take('slack-webhook-url'),
    heartbeatUrl: take('heartbeat-url'),
    rpoTarget: take('rpo-target'),
  };
  if (problems.length > 0) throw toConfigurationError('an alarm', problems);
  return alarms;
}

function parseOperation(read: ReadInput): Operation {
  const text = read('operation')?.trim();
  const known = operations.find((operation) => operation === text);
  if (known !== undefined) return known;
  throw new ConfigurationError(
    text ? `operation: there is none named ${quoteWord(text)}` : 'operation: is required',
    `The operations are ${list(operations)}.`,
  );
}

/** Someone who forgot the `--name` of a secret input must not see it in a log: only what looks like a word is repeated. */
export function quoteWord(text: string): string {
  return /^[a-z][a-z-]{0,19}$/i.test(text)
    ? JSON.stringify(text)
    : `what stands there (${text.length} characters)`;
}

function toConfigurationError(
  operation: string,
  problems: readonly { name: InputName; problem: Problem }[],
): ConfigurationError {
  const [only] = problems;
  if (only !== undefined && problems.length === 1) {
    return new ConfigurationError(`${only.name}: ${only.problem.message}`, only.problem.remedy);
  }
  const lines = problems.map(({ name, problem }) => `- ${name}: ${problem.message}. ${problem.remedy}`);
  return new ConfigurationError(
    `${problems.length} inputs of ${operation} are wrong\n${lines.join('\n')}`,
    'Correct them all and start again; nothing was read or written.',
  );
}

/** What an absent input means for an operation; undefined when it simply is absent. */
export function defaultOf(name: InputName, operation: Operation): string | undefined {
  const value = inputs[name].default;
  return typeof value === 'object' ? value[operation] : value;
}

/** Those of the given inputs that the operation does not read. An input at its default counts as not given. */
export function findUnused(operation: Operation, read: ReadInput): readonly InputName[] {
  return inputNames.filter((name) => {
    const input = inputs[name];
    const text = read(name)?.trim();
    return text && text !== input.default && !input.operations.includes(operation);
  });
}
