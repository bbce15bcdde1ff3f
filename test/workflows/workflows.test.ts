import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Manifest } from '../../src/format/manifest.ts';
import type { Operation } from '../../src/interface/inputs/operations.ts';
import { parseInputs } from '../../src/interface/inputs/parse.ts';
import { type InputName, inputs } from '../../src/interface/inputs/schema.ts';
import type { RestoreInputs } from '../../src/interface/inputs/types.ts';
import { type OutputName, outputs } from '../../src/interface/outputs.ts';
import { describeReason, findReasons } from '../../src/operations/restore/reasons.ts';
import type { TargetState } from '../../src/operations/restore/target-state.ts';
import { type ReusableWorkflow, reusableWorkflows } from '../../src/schedule/workflows/reusable.ts';
import {
  calledOf,
  isOurs,
  type NamedStep,
  pin,
  readText,
  stepsOf,
  takesRole,
  workflowFiles,
} from './files.ts';
import { type Checker, type Contexts, openParser } from './parser.ts';

// biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub's
const githubToken = '${{ github.token }}';

// biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub's
const projectRef = '${{ inputs.project-ref }}';

// biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub's
const toJsonOfNeeds = '${{ toJSON(needs) }}';

const ours = Object.entries<ReusableWorkflow>(reusableWorkflows);
const reusable = new Map(ours.map(([, callee]) => [`.github/workflows/${callee.file}`, callee]));
const steps = workflowFiles.flatMap(stepsOf);
const jobs = workflowFiles.flatMap(({ file, workflow }) =>
  Object.entries(workflow.jobs).map(([id, job]) => ({ where: `${file}, ${id}`, file, id, job, workflow })),
);
const alone = jobs.filter(({ file }) => !reusable.has(file));

let parser: Checker;
beforeAll(async () => {
  parser = await openParser();
});

function operationOf(step: NamedStep): Operation {
  return step.with?.operation as Operation;
}

/** The names behind a dot-separated prefix in all expressions of a text. */
function namesAfter(prefix: string, text: string): string[] {
  return [...text.matchAll(new RegExp(`\\b${prefix}\\.([\\w-]+)`, 'g'))].map(([, name]) => name as string);
}

describe("GitHub's own parser", () => {
  test.each(workflowFiles)('takes $file', async ({ file, text }) => {
    expect(await parser.checkWorkflow(file, text)).toEqual([]);
  });

  test.each(['action.yml', 'dist/action.yml'])('takes %s', (file) => {
    expect(parser.checkAction(file, readText(file))).toEqual([]);
  });

  test.each([
    ['a key that does not exist', 'timeout-minutes: 350', 'timeout: 350'],
    ['an input that the called workflow does not have', 'backup-type: $', 'kind: $'],
    ['a secret that it does not have', 'DATABASE_URL: $', 'DATABASE: $'],
    ['a required input that is missing', /^ +storage: .*\n/m, ''],
    ['a context that is not there', '${{ inputs.backup-type', '${{ secrets.backup-type'],
    ['a job that does not exist', 'needs: backup', 'needs: backups'],
  ])('would notice %s', async (_, from, to) => {
    const files = ['examples/hourly.yml', '.github/workflows/backup.yml'].map(readText);
    const text = files.find((content) => content.replace(from, to) !== content) ?? '';
    expect(text).not.toBe('');
    expect(await parser.checkWorkflow('changed.yml', text.replace(from, to))).not.toEqual([]);
  });
});

describe('a step that runs the action', () => {
  const own = steps.filter(isOurs);

  test('is in all of them, and names an operation', () => {
    expect(own.length).toBeGreaterThan(15);
    for (const step of own) expect(inputs.operation.parse(operationOf(step)), step.where).toBeTruthy();
  });

  test('passes inputs that its operation reads, and all that it cannot do without', () => {
    for (const step of own) {
      const operation = operationOf(step);
      for (const name of Object.keys(step.with ?? {})) {
        expect(inputs[name as InputName]?.operations, `${step.where}: ${name}`).toContain(operation);
      }
      for (const [name, input] of Object.entries(inputs)) {
        if (input.required && input.operations.includes(operation))
          expect(step.with, `${step.where}: ${name}`).toHaveProperty([name]);
      }
    }
  });

  test('passes values that the inputs take', () => {
    for (const step of own) {
      for (const [name, value] of Object.entries(step.with ?? {})) {
        const text = String(value);
        if (text.includes('${{') || text === 'age1…') continue;
        expect(() => inputs[name as InputName].parse(text), `${step.where}: ${name}`).not.toThrow();
      }
    }
  });

  test('encrypts what it stores, or says that it need not', () => {
    const storing = own.filter((step) => ['backup', 'capture', 'gate'].includes(operationOf(step)));
    expect(storing.length).toBeGreaterThan(5);
    for (const { with: given = {}, where } of storing) {
      expect('encryption-recipients' in given || given['allow-unencrypted'] === true, where).toBe(true);
    }
    // Copied with its placeholder, an example must fail and not store the backup unencrypted.
    expect(() => inputs['encryption-recipients'].parse('age1…')).toThrow('is not an age recipient');
  });

  test('sets the outputs that are read of it', () => {
    let read = 0;
    for (const { job, where } of jobs) {
      const text = JSON.stringify(job);
      for (const [, id, output] of text.matchAll(/\bsteps\.([\w-]+)\.outputs\.([\w-]+)/g)) {
        const step = steps.find((candidate) => candidate.job === job && candidate.id === id);
        if (step !== undefined && takesRole(step)) continue;
        if (step === undefined || !isOurs(step)) throw new Error(`${where}: no step ${id} of ours`);
        const setBy = outputs[output as OutputName]?.operations ?? [];
        expect(setBy, `${where}: ${output}`).toContain(operationOf(step));
        read++;
      }
    }
    expect(read).toBeGreaterThan(15);
  });

  test('raises the alarm with a token, where it opens issues', () => {
    for (const { with: given = {}, where } of own) {
      if ('failure-issues' in given) expect(given['github-token'], where).toBe(githubToken);
    }
  });
});

describe('an output of another job', () => {
  test('is one that the job has', () => {
    for (const { workflow, where, job } of jobs) {
      for (const [, id, output] of JSON.stringify(job).matchAll(/\bneeds\.([\w-]+)\.outputs\.([\w-]+)/g)) {
        expect([job.needs].flat(), where).toContain(id);
        const other = workflow.jobs[id as string];
        const callee = calledOf(other?.uses);
        const names =
          callee === undefined ? Object.keys(other?.outputs ?? {}) : reusable.get(callee)?.outputs;
        expect(names, `${where}: ${output}`).toContain(output);
      }
    }
  });
});

describe.each(ours)(
  'the reusable workflow %s',
  (_, { file, inputs: taken, secrets, outputs: given = [] }) => {
    const text = readText(`.github/workflows/${file}`);
    const { on, jobs } = parse(text);

    test('uses every input and secret that it takes, and no other', () => {
      const { jobs: body } = parse(text);
      const used = JSON.stringify(body);
      expect([...new Set(namesAfter('inputs', used))].sort()).toEqual(Object.keys(taken).sort());
      expect([...new Set(namesAfter('secrets', used))].sort()).toEqual(Object.keys(secrets).sort());
    });

    test('gives its callers the outputs of its jobs', () => {
      const values = Object.entries<{ value: string }>(on.workflow_call.outputs ?? {});
      expect(values.map(([name]) => name)).toEqual(given);
      for (const [name, { value }] of values) {
        const [, id = '', output = ''] = /^\$\{\{ jobs\.(\w+)\.outputs\.([\w-]+) \}\}$/.exec(value) ?? [];
        expect(output).toBe(name);
        expect(jobs[id].outputs).toHaveProperty([name]);
      }
    });

    test('asks a person who starts it for nothing that a caller could not pass', () => {
      const asked = Object.entries<{ type: string }>(on.workflow_dispatch?.inputs ?? {});
      for (const [name, { type }] of asked) {
        const expected = taken[name]?.type === 'boolean' ? ['boolean'] : ['string', 'choice', 'environment'];
        expect(taken, name).toHaveProperty([name]);
        expect(expected, name).toContain(type);
      }
    });

    test('is described in docs/workflows.md', () => {
      const [, part = ''] = readText('docs/workflows.md').split(`\n### ${file}\n`);
      const section = part.split(/\n##/)[0] ?? '';
      expect(section).not.toBe('');
      const common = readText('docs/workflows.md').split('\n### All of them\n')[1]?.split(/\n##/)[0] ?? '';
      for (const name of [...Object.keys(taken), ...Object.keys(secrets), ...given])
        expect(section + common, name).toContain(`\`${name}\``);
    });
  },
);

describe('what the action gets of a reusable workflow', () => {
  const secrets = {
    DATABASE_URL: 'postgresql://postgres:secret@db.example.com:5432/postgres',
    TARGET_URL: 'postgresql://postgres:secret@new.example.com:5432/postgres',
    COPIES: 's3://elsewhere/production',
  };
  const contexts = (given: Contexts) => ({
    inputs: given,
    secrets,
    github: { token: 'ghs_token' },
    runner: { temp: '/tmp' },
    needs: { drill: { result: 'failure', outputs: { announced: '' } } },
    job: { services: { postgres: { ports: { 5432: '49153' } } } },
  });
  const inputsOf = (step: NamedStep, given: Contexts) =>
    parseInputs((name) => {
      const text = String(step.with?.[name] ?? '');
      // What the parser brings along has no functions of GitHub's.
      if (text === toJsonOfNeeds) return JSON.stringify(contexts(given).needs);
      return text.includes('${{') ? parser.evaluate(text, contexts(given)) : text;
    }, {});
  const own = steps.filter((step) => isOurs(step) && reusable.has(step.where.split(',')[0] ?? ''));

  test('is valid with nothing but what is required, called or started by hand', () => {
    expect(own).toHaveLength(15);
    for (const step of own) {
      const taken = Object.entries(reusable.get(step.where.split(',')[0] ?? '')?.inputs ?? {});
      const required = { storage: 's3://bucket/production', environment: 'staging', policy: 'policy.yml' };
      // Of a call, a boolean that is not passed is false; of a start by hand, what is not asked is not there.
      const flags = Object.fromEntries(
        taken.filter(([, { type }]) => type === 'boolean').map(([name]) => [name, false]),
      );
      for (const given of [{ ...flags, ...required }, required])
        expect(inputsOf(step, given), step.where).toMatchObject({ operation: operationOf(step) });
    }
  });

  const storage = 's3://bucket/production';
  const find = (where: string) => own.find((step) => step.where.endsWith(where)) as NamedStep;

  test('is what the caller said', () => {
    const show = (id: string) =>
      inputsOf(find('drill.yml, prepare, step show'), { storage, 'backup-id': id });
    expect(show('20261120T021700Z-7f3a')).toMatchObject({ backupId: '20261120T021700Z-7f3a' });
    expect(show('random:7d')).toMatchObject({ backupId: 'latest' });
    const given = { storage, environment: 'production', clean: true, confirm: 'RESTORE PRODUCTION' };
    const restore = find('restore.yml, restore, step restore');
    expect(inputsOf(restore, given)).toMatchObject({
      environment: 'production',
      confirmed: true,
      clean: true,
      dryRun: false,
      targetUrl: secrets.TARGET_URL,
      stagingUrl: 'postgresql://postgres:throwaway@localhost:49153/postgres',
    });
    expect(inputsOf(restore, { ...given, 'skip-staging': true })).toMatchObject({ stagingUrl: undefined });
    const status = find('watch.yml, watch, step 3');
    const policy = '.github/supabase-backup.yml';
    expect(inputsOf(status, { storage, 'rpo-target': '2h', policy })).toMatchObject({
      maxAge: 2 * 3_600_000,
      policy: undefined,
    });
    expect(inputsOf(status, { storage, 'status-policy': policy })).toMatchObject({ policy });
  });

  test('is the project at Supabase where it is asked for its own backups, and the token in no other step', () => {
    const asking = [
      ...['backup', 'capture', 'gate', 'restore'].map((name) => `${name}.yml, ${name}, step ${name}`),
      ...['backup.yml, backup, step runbook', 'report.yml, report, step report', 'watch.yml, watch, step 3'],
    ];
    for (const step of own) {
      const isAsking = asking.some((where) => step.where.endsWith(where));
      expect('project-ref' in (step.with ?? {}), step.where).toBe(isAsking);
      expect('SUPABASE_ACCESS_TOKEN' in (step.env ?? {}), step.where).toBe(isAsking);
      expect(JSON.stringify(step.with), step.where).not.toContain('SUPABASE_ACCESS_TOKEN');
      if (!isAsking) continue;
      const token = parser.evaluate(String(step.env?.SUPABASE_ACCESS_TOKEN), {
        ...contexts({}),
        secrets: { SUPABASE_ACCESS_TOKEN: 'sbp_x' },
      });
      expect(token, step.where).toBe('sbp_x');
      expect(step.with?.['project-ref'], step.where).toBe(projectRef);
    }
  });

  test('asks for the words that confirm it in the environment that the example ships', () => {
    const { jobs, on } = parse(readText('examples/emergency-restore.yml'));
    const called = jobs.restore.with as Record<string, string>;
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub's
    expect(called.confirm).toBe('${{ inputs.confirm }}');
    expect(on.workflow_dispatch.inputs.confirm.description).toBe('Type RESTORE PRODUCTION');
    const restore = find('restore.yml, restore, step restore');
    const given = { storage, environment: called.environment ?? '', confirm: '' };
    const inputs = inputsOf(restore, given) as RestoreInputs;
    const source = { systemIdentifier: '1', database: 'postgres' };
    const state = { kind: 'plain', systemIdentifier: '2', database: 'postgres', existing: [] };
    const ask = (asked: RestoreInputs) =>
      findReasons(asked, { source } as Manifest, state as unknown as TargetState).map(describeReason);
    expect(ask(inputs)).toEqual(['environment is production-restore']);
    expect(ask(inputsOf(restore, { ...given, environment: 'staging' }) as RestoreInputs)).toEqual([]);
  });

  test('is what whoever starts a restore was asked: the smallest repair, and a plan that no trial goes before', () => {
    const restore = find('restore.yml, restore, step restore');
    const asked = { storage, environment: 'production-restore', fallback: '3', 'safety-backup': true };
    expect(inputsOf(restore, asked)).toMatchObject({
      ...{ fallback: 3, safetyBackup: true, stagingUrl: expect.stringContaining('localhost') },
    });
    const safety = { 'safety-storage': 's3://bucket/safety' };
    const aside = { ...asked, ...safety, include: 'public.orders', 'side-schema': 'rescue' };
    expect(inputsOf(restore, aside)).toMatchObject({
      ...{ sideSchema: 'rescue', stagingUrl: undefined, safetyStorage: undefined },
    });
    expect(inputsOf(restore, { ...asked, ...safety })).toMatchObject({ safetyStorage: 's3://bucket/safety' });
    // A fallback without a trial would be refused.
    const planned = inputsOf(restore, { ...asked, 'dry-run': true, checks: 'SELECT true' }) as RestoreInputs;
    expect(planned).toMatchObject({ stagingUrl: undefined, dryRun: true, checks: ['SELECT true'] });
    expect(String(planned.fallback)).toBe(inputs.fallback.default);
    expect(inputsOf(restore, { ...asked, 'safety-backup': false })).toMatchObject({ safetyBackup: false });
  });

  test('is, with a point in time, the backup that fits the time, whatever a form holds before anybody writes into it', () => {
    const restore = find('restore.yml, restore, step restore');
    const given = { storage, environment: 'staging', 'recovery-target-time': '2026-11-20T14:30:00Z' };
    const time = { recoveryTargetTime: '2026-11-20T14:30:00.000000Z' };
    const of = (id: string) => inputsOf(restore, { ...given, 'backup-id': id });
    expect(of('latest-verified')).toMatchObject({ ...time, backupId: 'latest' });
    expect(of('20261120T021700Z-7f3a')).toMatchObject({ ...time, backupId: '20261120T021700Z-7f3a' });
    expect(() => of('random:7d')).toThrow('together with recovery-target-time');
    const without = { ...given, 'recovery-target-time': '', 'backup-id': 'latest-verified' };
    expect(inputsOf(restore, without)).toMatchObject({
      backupId: 'latest-verified',
      recoveryTargetTime: undefined,
    });
  });

  test('is a point in time for drills, and how far back changes are kept for cleanups', () => {
    const drill = { storage, 'recovery-target-time': 'latest' };
    expect(inputsOf(find('drill.yml, drill, step drill'), drill)).toMatchObject({
      recoveryTargetTime: 'latest',
    });
    const day = 24 * 3_600_000;
    const cleanup = { storage, 'keep-changes': '14d' };
    expect(inputsOf(find('cleanup.yml, cleanup, step 2'), cleanup)).toMatchObject({ keepChanges: 14 * day });
  });

  test('is what a capture is to do with its slot', () => {
    const capture = inputsOf(find('capture.yml, capture, step capture'), { storage, 'drop-slot': true });
    expect(capture).toMatchObject({ dropSlot: true, unlimitedWal: false, databaseUrl: secrets.DATABASE_URL });
  });
});

describe('a capture', () => {
  test('is due by one schedule of the example, as each of its other jobs is by its own', () => {
    const { on, jobs } = parse(readText('examples/point-in-time.yml'));
    const dueBy = (cron: string) => {
      const contexts = { github: { event: { schedule: cron } }, inputs: {} };
      const due = Object.entries<{ if: string; with: { 'backup-type'?: string } }>(jobs);
      return due
        .filter(([, job]) => parser.evaluate(job.if, contexts) === 'true')
        .map(([id, job]) =>
          [id, parser.evaluate(job.with['backup-type'] ?? "''", contexts)].join(' ').trim(),
        );
    };
    expect(on.schedule.map(({ cron }: { cron: string }) => dueBy(cron))).toEqual([
      ['capture'],
      ['backup incremental'],
      ['backup full'],
      ['cleanup'],
    ]);
  });

  test('waits for the capture before, and for backups only where both write one artifact', () => {
    const groupOf = (name: string, storage: string) => {
      const group: string = parse(readText(`.github/workflows/${name}.yml`)).jobs[name].concurrency.group;
      return group.replace(/\$\{\{.*?\}\}/g, (part) => parser.evaluate(part, { inputs: { storage } }));
    };
    expect(groupOf('capture', 's3://bucket/a')).toBe('supabase-capture-storage-s3://bucket/a');
    expect(groupOf('backup', 's3://bucket/a')).toBe('supabase-backup-storage-s3://bucket/a');
    expect(groupOf('capture', 'artifact://a')).toBe(groupOf('backup', 'artifact://a'));
  });
});

describe('a role of AWS in a reusable workflow', () => {
  const own = steps.filter((step) => isOurs(step) && reusable.has(step.where.split(',')[0] ?? ''));
  const storing = own.filter(({ with: given = {} }) => 'storage' in given);
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'] as const;
  const keys = { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'of a key' };
  const taken = {
    role: {
      outputs: {
        'aws-access-key-id': 'ASIA',
        'aws-secret-access-key': 'of the role',
        'aws-session-token': 'session',
      },
    },
  };
  const refused = { role: { outputs: {} } };
  const role = { 'aws-role': 'arn:aws:iam::123456789012:role/backup' };

  test('is taken in every job that works on a storage, before that, and for no other step', () => {
    expect(storing).toHaveLength(14);
    for (const { job, where } of storing) {
      const all = job.steps ?? [];
      const at = all.findIndex(takesRole);
      expect(at, where).toBe(all.findIndex(isOurs) - 1);
      expect(all[at], where).toMatchObject({ id: 'role', if: "inputs.aws-role != ''" });
      // The operation itself raises the alarm when it finds no credentials.
      expect(all[at]?.['continue-on-error'], where).toBe(true);
      expect(all[at]?.with, where).toMatchObject({ 'output-env-credentials': false });
    }
  });

  test.each([
    ['a role', { role, secrets: {}, steps: taken }, ['ASIA', 'of the role', 'session']],
    ['a role and keys', { role, secrets: keys, steps: taken }, ['ASIA', 'of the role', 'session']],
    ['a role that is refused, and keys', { role, secrets: keys, steps: refused }, ['', '', '']],
    ['keys', { role: { 'aws-role': '' }, secrets: keys, steps: refused }, ['AKIA', 'of a key', '']],
    ['keys, by hand', { role: {}, secrets: keys, steps: {} }, ['AKIA', 'of a key', '']],
  ])('%s: whose credentials the operation gets', (_, { role, ...contexts }, expected) => {
    for (const { env = {}, where } of storing) {
      const values = names.map((name) =>
        parser.evaluate(String(env[name]), { inputs: role, ...contexts } as unknown as Contexts),
      );
      expect(values, where).toEqual(expected);
    }
  });
});

describe('what others could have changed', () => {
  test('is pinned to a commit, with the version beside it', () => {
    const lines = workflowFiles.flatMap(({ file, text }) =>
      [...text.matchAll(/^ *(?:- )?uses: (\S+)(.*)$/gm)].map(([, uses = '', comment = '']) => ({
        file,
        uses,
        comment,
      })),
    );
    expect(lines.length).toBeGreaterThan(40);
    for (const { file, uses, comment } of lines) {
      if (uses === '$/dist' || uses === './') continue;
      const form =
        uses.startsWith(`${pin.action}@`) || uses.startsWith(`${pin.action}/`)
          ? new RegExp(`^${pin.action}(/dist|/\\.github/workflows/[a-z]+\\.yml)?@${pin.commit}$`)
          : /^[\w-]+\/[\w-]+(\/[\w-]+)*@[0-9a-f]{40}$/;
      expect(uses, file).toMatch(form);
      expect(comment, `${file}: ${uses}`).toMatch(/^ # v\d+\.\d+\.\d+$/);
    }
  });

  test('is the same commit for the same version everywhere', () => {
    const pins = new Map<string, string>();
    for (const { text } of workflowFiles) {
      for (const [, name = '', sha = '', version = ''] of text.matchAll(
        /uses: ([\w-]+\/[\w-]+)\S*@([0-9a-f]{40}) # (\S+)/g,
      )) {
        expect(pins.get(name) ?? `${sha} ${version}`).toBe(`${sha} ${version}`);
        pins.set(name, `${sha} ${version}`);
      }
    }
    expect(pins.size).toBeGreaterThan(4);
  });
});

describe('a script', () => {
  test('has no expression in it: texts come by the environment, where they are no code', () => {
    const scripts = steps.filter(({ run }) => run !== undefined);
    expect(scripts.length).toBeGreaterThan(10);
    for (const { run, where } of scripts) expect(run, where).not.toContain('${{');
  });

  test('gets the variables that it names', () => {
    const usual = /^(GITHUB_|RUNNER_|PATH$|HOME$)/;
    for (const { run = '', env = {}, job, where } of steps) {
      const own = new Set([...Object.keys(env), ...Object.keys((job as { env?: object }).env ?? {})]);
      for (const [, name = ''] of run.matchAll(/\$\{?([A-Z][A-Z_0-9]*)/g))
        expect(own.has(name) || usual.test(name), `${where}: ${name}`).toBe(true);
    }
  });
});

describe('the token', () => {
  test('may do nothing outside of jobs, and in each what that needs', () => {
    for (const { job, workflow, where } of alone) {
      expect(workflow.permissions, where).toEqual({});
      expect(job.permissions, where).toBeDefined();
    }
  });

  test('gets no more for a called workflow than that one wants', () => {
    const calls = alone.filter(({ job }) => job.uses !== undefined);
    expect(calls.length).toBeGreaterThan(5);
    for (const { job, where } of calls) {
      const callee = reusable.get(calledOf(job.uses) ?? '');
      expect(callee, where).toBeDefined();
      for (const [scope, access] of Object.entries(job.permissions ?? {}))
        if (scope === 'actions' && String(job.with?.storage).startsWith('artifact:'))
          expect(access, where).toBe('read');
        else if (scope !== 'id-token') expect(callee?.permissions[scope], `${where}: ${scope}`).toBe(access);
    }
  });

  test('vouches for the run where a role of AWS is taken, and in no other example', () => {
    const examples = alone.filter(({ file }) => file.startsWith('examples/'));
    const taking = examples.filter(({ job }) => job.with?.['aws-role'] ?? job.steps?.some(takesRole));
    expect(taking.length).toBeGreaterThan(0);
    for (const example of examples) {
      const expected = taking.includes(example) ? 'write' : undefined;
      expect(example.job.permissions?.['id-token'], example.where).toBe(expected);
    }
  });

  test('may write issues where they are opened', () => {
    for (const { job, where } of alone) {
      const opening = [job, ...(job.steps ?? [])].some((part) => part.with?.['failure-issues'] === true);
      expect(job.permissions?.issues, where).toBe(opening ? 'write' : undefined);
    }
  });

  test('is not left in the checkout', () => {
    const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'));
    expect(checkouts.length).toBeGreaterThan(8);
    for (const step of checkouts) expect(step.with?.['persist-credentials'], step.where).toBe(false);
  });
});

describe('a job', () => {
  test('ends at some time', () => {
    for (const { job, where } of jobs) {
      if (job.steps !== undefined) expect(job['timeout-minutes'], where).toBeLessThan(360);
    }
  });

  test('that works on a database is never cancelled by the next one, nor runs beside it', () => {
    const operating = alone.filter(
      ({ job, file }) =>
        file.startsWith('examples/') &&
        (job.uses ?? JSON.stringify(job)).match(
          /(backup|capture|restore|drill|cleanup|gate)\.yml@|"operation":"(backup|capture|restore|drill)"/,
        ),
    );
    expect(operating.length).toBeGreaterThan(9);
    for (const { job, workflow, where } of operating)
      expect({ ...workflow.concurrency, ...job.concurrency }, where).toMatchObject({
        'cancel-in-progress': false,
      });
  });
});

describe('the server of a drill', () => {
  const service = (file: string, job: string) =>
    parse(readText(`.github/workflows/${file}`)).jobs[job].services.postgres.image as string;
  const needs = (major: string) => ({ prepare: { outputs: { 'server-major': major } } });
  const none = { image: '', 'skip-staging': false, 'dry-run': false };

  test('is of the major of the backup, else of the newest, or what the caller says', () => {
    const image = service('drill.yml', 'drill');
    expect(parser.evaluate(image, { inputs: none, needs: needs('15') })).toBe('postgres:15');
    expect(parser.evaluate(image, { inputs: none, needs: needs('') })).toBe('postgres:18');
    const chosen = { ...none, image: 'supabase/postgres:17.6.1.054' };
    expect(parser.evaluate(image, { inputs: chosen, needs: needs('') })).toBe(chosen.image);
  });

  test('is not started for a restore that is not tried first, or only planned', () => {
    const image = service('restore.yml', 'restore');
    expect(parser.evaluate(image, { inputs: none, needs: needs('16') })).toBe('postgres:16');
    for (const name of ['skip-staging', 'dry-run'])
      expect(parser.evaluate(image, { inputs: { ...none, [name]: true }, needs: needs('16') })).toBe('');
  });

  test.each([
    ['drill.yml', 'drill'],
    ['restore.yml', 'restore'],
  ])('is no image of just anybody: %s', (file, job) => {
    const image = service(file, job);
    const step = parse(readText(`.github/workflows/${file}`)).jobs[job].steps.at(-1);
    expect(parser.evaluate(step.with.image, { inputs: { ...none, image: 'x' } })).toBe('x');
    // Only the action can raise an alarm.
    const isRefused = (name: string) => {
      if (name === '') return false;
      try {
        return inputs.image.parse(name) !== name;
      } catch {
        return true;
      }
    };
    const started = (name: string) =>
      parser.evaluate(image, { inputs: { ...none, image: name }, needs: needs('16') });
    const digest = `@sha256:${'0'.repeat(64)}`;
    for (const name of ['postgres:17', `postgres:17${digest}`, 'supabase/postgres:17.6.1.054']) {
      expect([isRefused(name), started(name)]).toEqual([false, name]);
    }
    expect([isRefused(''), started('')]).toEqual([false, 'postgres:16']);
    for (const name of [
      'postgres',
      'ghcr.io/me/postgres:17',
      'me/postgres:17',
      'me/supabase/postgres:1',
      'alpine',
      'postgres.evil.example/postgres:17',
      // A registry that is called so
      'postgres:5000/evil',
      `postgres${digest}`,
    ]) {
      expect([isRefused(name), started(name)]).toEqual([true, '']);
    }
    for (const name of [
      'postgres:17 --privileged',
      'Postgres:17',
      'postgres:',
      'postgres:17@sha256:1',
      'postgres:17\n',
    ]) {
      expect(isRefused(name), name).toBe(true);
    }
  });

  test('is reached as the superuser of its image, at an address that the action takes', () => {
    const job = { services: { postgres: { ports: { 5432: '49153' } } } };
    for (const [file, id, input] of [
      ['drill.yml', 'drill', 'target-url'],
      ['restore.yml', 'restore', 'staging-url'],
    ] as const) {
      const step = parse(readText(`.github/workflows/${file}`)).jobs[id].steps.at(-1);
      const url = (image: string) => parser.evaluate(step.with[input], { inputs: { ...none, image }, job });
      expect(url('')).toBe('postgresql://postgres:throwaway@localhost:49153/postgres');
      expect(url('supabase/postgres:17.6.1.054')).toBe(
        'postgresql://supabase_admin:throwaway@localhost:49153/postgres',
      );
      expect(inputs[input].parse(url(''))).toBe(url(''));
    }
  });
});

describe('a job with a service', () => {
  const serving = jobs.filter(({ job }) => job.services !== undefined);
  const alarmOf = ({ workflow, id }: (typeof jobs)[number]) =>
    Object.values(workflow.jobs).find(
      (job) => job.needs === id && job.steps?.some((step) => step.with?.operation === 'alarm'),
    );

  test('is in the workflows that restore into one', () => {
    expect(serving.map(({ where }) => where)).toEqual([
      ...['.github/workflows/drill.yml, drill', '.github/workflows/restore.yml, restore'],
      'examples/monthly-drill.yml, drill',
    ]);
  });

  test('has another after it, with no service of its own, that raises the alarm with all that is known', () => {
    for (const serve of serving) {
      const alarm = alarmOf(serve);
      const step = alarm?.steps?.find(isOurs);
      expect(alarm?.services, serve.where).toBeUndefined();
      expect(step?.with, serve.where).toMatchObject({ 'alarm-of': serve.id, needs: toJsonOfNeeds });
      const told = serve.job.steps?.find((other) => isOurs(other) && other.with?.operation === serve.id);
      // The same group of issues, which the next success closes, and the same receivers.
      const names = [
        'storage',
        'database',
        'failure-issues',
        'github-token',
        'notify-url',
        'notify-format',
        'slack-webhook-url',
        'smtp-url',
        'mail-from',
        'mail-to',
      ];
      for (const name of names)
        expect(step?.with?.[name], `${serve.where}: ${name}`).toEqual(told?.with?.[name]);
      // A success of it is none of the operation.
      expect(step?.with, serve.where).not.toHaveProperty('heartbeat-url');
    }
  });

  test.each([
    ['its service did not start', { result: 'failure', announced: '' }, true],
    ['its operation failed, and told so', { result: 'failure', announced: 'true' }, false],
    ['a job before it failed, and it passed', { result: 'success', announced: '' }, false],
    ['it was stopped', { result: 'cancelled', announced: '' }, false],
  ])('has it raised where %s: %o', (_, { result, announced }, expected) => {
    for (const serve of serving) {
      const condition = String(alarmOf(serve)?.if).replace('failure()', 'true');
      const needs = { [serve.id]: { result, outputs: { announced } } };
      const value = parser.evaluate(condition, { needs, inputs: { 'dry-run': false } } as Contexts);
      expect(value, serve.where).toBe(String(expected));
    }
  });

  test('has it raised after a failure, where GitHub would skip it without that word', () => {
    for (const serve of serving) expect(alarmOf(serve)?.if, serve.where).toMatch(/^\$\{\{ failure\(\) && /);
  });
});

test('the quick start needs two secrets, keeps little, proves each backup, and stores none without a recipient', () => {
  const text = readText('examples/quick-start.yml');
  const used = new Set(namesAfter('secrets', text.replace(/^ *#.*$/gm, '')));
  expect([...used].sort()).toEqual(['BACKUP_IDENTITY', 'DATABASE_URL']);
  const { jobs } = parse(text) as {
    jobs: Record<string, { uses?: string; needs?: string; steps?: NamedStep[] }>;
  };
  expect(jobs.drill).toMatchObject({ needs: 'backup', uses: expect.stringContaining('/drill.yml@') });
  const storing = (jobs.backup?.steps ?? []).filter(({ with: given }) => given?.operation !== 'doctor');
  expect(storing.map(({ with: given }) => given?.operation)).toEqual(['backup', 'cleanup']);
  for (const { with: given } of storing) expect(Number(given?.['artifact-retention-days'])).toBeLessThan(15);
  const recipients = String(storing[0]?.with?.['encryption-recipients']);
  expect(() => inputs['encryption-recipients'].parse(parser.evaluate(recipients, { vars: {} }))).toThrow(
    'is not an age recipient',
  );
  expect(parser.evaluate(recipients, { vars: { BACKUP_RECIPIENT: 'age1x' } })).toBe('age1x');
});
