import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { planJobs } from '../../../src/schedule/plan/plan.ts';
import { parsePolicy } from '../../../src/schedule/policy/parse.ts';
import { type Caller, renderCallers } from '../../../src/schedule/workflows/callers.ts';
import { type ReusableWorkflow, reusableWorkflows } from '../../../src/schedule/workflows/reusable.ts';
import { fullPolicy, policies, rolePolicy } from '../policies.ts';
import { smallPolicy } from '../setting.ts';

function render(text: string): Caller[] {
  const parsed = parsePolicy(text, 'policy.yml');
  const plan = planJobs(parsed.policy, parsed.policy.repository ?? '');
  return renderCallers({ ...parsed, plan, policyPath: '.github/supabase-backup.yml' });
}

interface Job {
  readonly if?: string;
  readonly uses: string;
  readonly with: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly concurrency: object;
}

const jobsOf = (text: string): [string, Job][] =>
  render(text).flatMap((caller) => Object.entries(parse(caller.text).jobs as Record<string, Job>));
const jobOf = (text: string, id: string): Job => {
  const found = jobsOf(text).find(([name]) => name === id)?.[1];
  if (found === undefined) throw new Error(`there is no job ${id}`);
  return found;
};
const calleeOf = (job: Job): ReusableWorkflow => {
  const [, file] = /\/\.github\/workflows\/([a-z]+\.yml)@[0-9a-f]{40}$/.exec(job.uses) ?? [];
  const found = Object.values(reusableWorkflows).find((workflow) => workflow.file === file);
  if (found === undefined) throw new Error(`${job.uses} calls none of ours`);
  return found;
};

describe.each(Object.entries(policies))('the workflows of the %s policy', (name, policy) => {
  const callers = render(policy);

  test.each(callers.map(({ file, text }) => [file, text]))('%s is as it was', async (file, text) => {
    await expect(text).toMatchFileSnapshot(`golden/${name}/${file}.txt`);
  });

  test('pass what the reusable workflows take, and nothing else', () => {
    for (const [id, job] of jobsOf(policy)) {
      const { inputs, secrets, permissions } = calleeOf(job);
      for (const [input, value] of Object.entries(job.with)) {
        expect(inputs, `${id}: ${input}`).toHaveProperty([input]);
        const isExpression = String(value).startsWith('$');
        if (!isExpression) expect(typeof value, `${id}: ${input}`).toBe(inputs[input]?.type);
      }
      for (const [input, { required }] of Object.entries(inputs)) {
        if (required) expect(job.with, id).toHaveProperty([input]);
      }
      for (const [secret, value] of Object.entries(job.secrets ?? {})) {
        expect(secrets, `${id}: ${secret}`).toHaveProperty([secret]);
        const form =
          secret === 'HEARTBEAT_URL'
            ? /^\$\{\{ (.* && )?secrets\.[A-Z_]+( \|\| '')? \}\}$/
            : /^\$\{\{ secrets\.[A-Z_]+ \}\}$/;
        expect(value).toMatch(form);
      }
      const granted = 'aws-role' in job.with ? { ...permissions, 'id-token': 'write' } : permissions;
      for (const [scope, access] of Object.entries(job.permissions))
        expect([(granted as Record<string, string>)[scope], 'read'], `${id}: ${scope}`).toContain(access);
      expect(Object.keys(granted), id).toEqual(expect.arrayContaining(Object.keys(job.permissions)));
    }
  });

  test('give nothing to the token outside of jobs, and never cancel', () => {
    for (const { text } of callers) {
      const workflow = parse(text);
      expect(workflow.permissions).toEqual({});
      for (const job of Object.values(workflow.jobs as Record<string, Job>)) {
        expect(job.concurrency).toMatchObject({ 'cancel-in-progress': false, queue: 'max' });
      }
    }
  });

  test('have a job for every schedule, a time zone with each, and a way to start them by hand', () => {
    for (const { text } of callers) {
      const { on, jobs } = parse(text);
      expect(on).toHaveProperty('workflow_dispatch');
      for (const { cron, timezone } of on.schedule ?? []) {
        expect(timezone).toBe(name === 'full' ? 'Europe/Berlin' : 'UTC');
        const conditions = Object.values(jobs as Record<string, Job>).map((job) => job.if);
        const isUsed = conditions.some(
          (text) => text === undefined || text.includes(`github.event.schedule == '${cron}'`),
        );
        expect(isUsed, cron).toBe(true);
      }
    }
  });
});

describe('of credentials', () => {
  test('only drills and restores get the identity, and only cleanup the key that may delete', () => {
    for (const [id, { secrets = {} }] of jobsOf(fullPolicy)) {
      const opens = ['production-drill', 'production-restore'].includes(id);
      expect(Object.keys(secrets).includes('ENCRYPTION_IDENTITY'), id).toBe(opens);
      const mayDelete = Object.values(secrets).some((text) => text.includes('CLEANUP_KEY'));
      expect(mayDelete, id).toBe(id.endsWith('-cleanup'));
    }
  });

  test('what writes, reads or judges copies gets their secret, where there is one, and nothing else does', () => {
    const text = smallPolicy.replace(
      /^( +)storage: .*$/m,
      (line, indent) => `${line}\n${indent}copies: COPIES_OF_SHOP\n${indent}schedules: { mirror: true }`,
    );
    expect(text).not.toBe(smallPolicy);
    const jobs = jobsOf(text);
    expect(jobs.map(([id]) => id)).toContain('production-mirror');
    for (const [id, { secrets = {}, permissions }] of jobs) {
      const isMeant = /-(full|incremental|schema|archive|capture|drill|watch|mirror|restore)$/.test(id);
      expect(secrets.COPIES, id).toBe(isMeant ? `\${{ secrets.COPIES_OF_SHOP }}` : undefined);
      if (id.endsWith('-mirror')) expect(permissions).toEqual({ contents: 'read', issues: 'write' });
    }
    expect(jobsOf(smallPolicy).map(([id]) => id)).not.toContain('production-mirror');
  });

  test('what asks the platform gets project and token, where the policy names a project, and nothing else does', () => {
    for (const [id, { with: given, secrets = {} }] of jobsOf(fullPolicy)) {
      const asks = /-(full|incremental|schema|archive|capture|watch|digest)$/.test(id);
      const isProduction = id.startsWith('production');
      const ref = isProduction ? 'abcdefghijklmnopqrst' : 'tsrqponmlkjihgfedcba';
      const token = isProduction ? 'PROJECT_TOKEN' : 'SUPABASE_ACCESS_TOKEN';
      expect(given['project-ref'], id).toBe(asks ? ref : undefined);
      expect(secrets.SUPABASE_ACCESS_TOKEN, id).toBe(asks ? `\${{ secrets.${token} }}` : undefined);
    }
    for (const [id, job] of jobsOf(smallPolicy))
      expect(JSON.stringify(job), id).not.toContain('SUPABASE_ACC');
  });

  test('what needs no database gets no connection string', () => {
    for (const [id, { secrets = {} }] of jobsOf(fullPolicy)) {
      const isSource = /-(full|incremental|schema|archive|capture)$/.test(id);
      expect(Object.keys(secrets).includes('DATABASE_URL'), id).toBe(isSource);
    }
  });

  test('only the job that looks at workflows may enable them', () => {
    for (const [id, { permissions }] of jobsOf(fullPolicy)) {
      const isStatus = /-(watch|digest)$/.test(id);
      expect(permissions.actions, id).toBe(id === 'schedules' ? 'write' : isStatus ? 'read' : undefined);
    }
  });

  test('a status knows the policy, and may ask GitHub whether its schedules run', () => {
    const watching = jobsOf(fullPolicy).filter(([id]) => /-(watch|digest)$/.test(id));
    expect(watching.map(([id]) => id).sort()).toEqual([
      'production-digest',
      'production-watch',
      'staging-digest',
      'staging-watch',
    ]);
    for (const [id, job] of watching) {
      expect(job.with, id).toMatchObject({ 'status-policy': '.github/supabase-backup.yml' });
      // The check of the schedules is one for all databases.
      expect(job.with, id).not.toHaveProperty('policy');
      expect(job.permissions, id).toMatchObject({ contents: 'read', actions: 'read' });
    }
    expect(jobOf(fullPolicy, 'schedules').with).not.toHaveProperty('status-policy');
  });

  test('without issues nobody may write any', () => {
    for (const [, job] of jobsOf(`${smallPolicy}alarms: { issues: false }\n`)) {
      expect(job.permissions).not.toHaveProperty('issues');
      expect(job.with['failure-issues']).toBe(false);
    }
  });
});

describe('a role of AWS', () => {
  const keys = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
  const backupRole = 'arn:aws:iam::123456789012:role/backup';
  const cleanupRole = 'arn:aws:iam::123456789012:role/ops/backup-cleanup';
  /** By job: the role it takes, whether GitHub vouches for it, and which keys it gets */
  const credentialsOf = (text: string) =>
    jobsOf(text).map(([id, { with: given, permissions, secrets = {} }]) => [
      id,
      given['aws-role'],
      permissions['id-token'],
      keys.filter((name) => name in secrets),
    ]);

  test('is taken in place of keys by the jobs of its database, and by cleanup its own; others cannot ask for one', () => {
    const expected = ['full', 'schema', 'capture', 'drill', 'cleanup', 'watch', 'restore'].flatMap((kind) => [
      [`production-${kind}`, kind === 'cleanup' ? cleanupRole : backupRole, 'write', []],
      [`staging-${kind}`, undefined, undefined, keys],
    ]);
    const found = credentialsOf(rolePolicy);
    expect(found).toHaveLength(expected.length + 1);
    expect(found).toEqual(expect.arrayContaining([...expected, ['schedules', undefined, undefined, []]]));
  });

  test('is taken for as long as is said beside it', () => {
    const secondsOf = (id: string) => jobOf(rolePolicy, id).with['aws-role-seconds'];
    expect(secondsOf('production-full')).toBe('21600');
    expect(secondsOf('production-cleanup')).toBeUndefined();
  });

  test('leaves cleanup the keys that are its own, and keeps the rest without', () => {
    const id = 'production-cleanup';
    const own = rolePolicy.replace(/aws-role: .*cleanup$/m, 'aws-access-key-id: CLEANUP_KEY_ID');
    expect(jobOf(own, id).secrets).toMatchObject({ AWS_ACCESS_KEY_ID: '${' + '{ secrets.CLEANUP_KEY_ID }}' });
    expect(jobOf(own, id).permissions).not.toHaveProperty(['id-token']);
    expect(jobOf(own, 'production-full').with).toHaveProperty(['aws-role'], backupRole);
  });

  test('of a database is taken by its cleanup, too, where that has none', () => {
    const shared = rolePolicy.replace(/^cleanup:\n.*\n/m, '');
    expect(jobOf(shared, 'production-cleanup').with).toMatchObject({
      'aws-role': backupRole,
      'aws-role-seconds': '21600',
    });
  });

  test('of cleanup alone leaves the keys to the others', () => {
    const alone = rolePolicy.replace(/^ +aws-role: .*\n +aws-role-seconds: .*\n/m, '');
    expect(credentialsOf(alone).filter(([, role]) => role !== undefined)).toEqual([
      ['production-cleanup', cleanupRole, 'write', []],
    ]);
    expect(Object.keys(jobOf(alone, 'production-full').secrets ?? {})).toEqual(expect.arrayContaining(keys));
  });

  test('is taken at an endpoint of Amazon', () => {
    const endpoint = 'https://bucket.vpce-1a2b3c4d.s3.eu-central-1.vpce.amazonaws.com';
    const staging = rolePolicy.replace('https://s3.example.com', `${endpoint}\n    s3-region: eu-central-1`);
    expect(jobOf(staging, 'staging-cleanup').with).toHaveProperty(['aws-role'], cleanupRole);
  });
});

describe('a job', () => {
  test('that is alone in its file runs whenever the file does', () => {
    expect(jobOf(smallPolicy, 'production-cleanup').if).toBeUndefined();
  });

  test('of an archive carries its label, quoted for an expression, and its pin', () => {
    const { with: given } = jobOf(fullPolicy, 'production-archive');
    expect(given).toMatchObject({
      'backup-type': 'full',
      label: '${' + "{ inputs.description || 'the month''s last' }}",
      pin: true,
    });
  });

  test('that captures says that the log may grow without limit only where the policy does, and may drop its slot', () => {
    const { with: given } = jobOf(fullPolicy, 'staging-capture');
    expect(given).toMatchObject({
      'unlimited-wal': true,
      'drop-slot': '${' + '{ inputs.drop-slot == true }}',
    });
    const other = jobOf(`${smallPolicy}schedules: { capture: auto/30 * * * * }\n`, 'production-capture');
    expect(other.with).not.toHaveProperty(['unlimited-wal']);
  });

  test('that drills recovers to the last point in time that was captured, unless a backup is chosen by another rule', () => {
    const captured = smallPolicy;
    const timeOf = (text: string) => jobOf(text, 'production-drill').with['recovery-target-time'];
    expect(timeOf(captured)).toBe('latest');
    expect(timeOf(`${captured}drill: { backup-id: latest }\n`)).toBe('latest');
    expect(timeOf(`${captured}drill: { backup-id: latest-verified }\n`)).toBeUndefined();
    expect(timeOf(`${captured}drill: { backup-id: random:7d }\n`)).toBeUndefined();
    expect(timeOf(`${smallPolicy}schedules: { capture: false }\n`)).toBeUndefined();
  });

  test('that cleans up keeps changes as long as the policy or the database says, where there are any', () => {
    const keptBy = (text: string) => jobOf(text, 'production-cleanup').with['keep-changes'];
    const ended = `${smallPolicy}schedules: { capture: false }\n`;
    expect(keptBy(ended)).toBeUndefined();
    expect(keptBy(smallPolicy)).toBe('8d');
    // Also when captures have ended: what they left is still to go.
    expect(keptBy(`${ended}keep-changes: 3d\n`)).toBe('3d');
    expect(keptBy(`${smallPolicy}    keep-changes: 2d\nkeep-changes: 3d\n`)).toBe('2d');
  });

  test('that is switched off is in no file', () => {
    const text = `${smallPolicy}schedules: { full: false, schema: false, archive: false, drill: false }\n`;
    expect(render(text).map(({ file }) => file)).toEqual([
      'supabase-backup-incremental.yml',
      'supabase-backup-capture.yml',
      'supabase-backup-cleanup.yml',
      'supabase-backup-watch.yml',
      'supabase-backup-restore.yml',
    ]);
    expect(render(`${smallPolicy}schedules: { capture: false }\n`).map(({ file }) => file)).not.toContain(
      'supabase-backup-capture.yml',
    );
  });

  test('that captures is there by default where changes have a backup to go on, and not where each would upload an artifact', () => {
    const captures = (text: string) =>
      render(text).some(({ file }) => file === 'supabase-backup-capture.yml');
    expect(captures(smallPolicy)).toBe(true);
    expect(captures(smallPolicy.replace('s3://octo-backups/production', 'artifact://production'))).toBe(
      false,
    );
    const none = 'full: false, incremental: false, archive: false';
    expect(captures(`${smallPolicy}schedules: { ${none} }\n`)).toBe(false);
    expect(captures(`${smallPolicy}    schedules: { ${none} }\n`)).toBe(false);
  });

  test('of backups waits for another of its database; one that captures or drills waits for none', () => {
    const groupOf = (id: string) => (jobOf(fullPolicy, id).concurrency as { group: string }).group;
    expect(groupOf('production-full')).toBe('supabase-backup-production');
    expect(groupOf('production-incremental')).toBe(groupOf('production-cleanup'));
    expect(groupOf('staging-full')).toBe('supabase-backup-staging');
    expect(groupOf('staging-capture')).toBe('supabase-backup-staging-capture');
    expect(groupOf('staging-drill')).toBe('supabase-backup-staging-drill');
  });

  test('whose storage is an artifact reads those of other runs, and none captures into it', () => {
    const text = smallPolicy.replace('s3://octo-backups/production', 'artifact://production');
    for (const id of ['production-full', 'production-drill', 'production-cleanup'])
      expect(jobOf(text, id).permissions).toMatchObject({ actions: 'read' });
    expect(() => jobOf(text, 'production-capture')).toThrow('there is no job');
  });
});

test('no two databases are due at the same minute', () => {
  const crons = jobsOf(fullPolicy).flatMap(([id, job]) =>
    [...(job.if ?? '').matchAll(/github\.event\.schedule == '([^']+)'/g)].map(([, cron]) => ({ id, cron })),
  );
  const fulls = crons.filter(({ id }) => id.endsWith('-full'));
  expect(fulls).toHaveLength(4);
  expect(new Set(fulls.map(({ cron }) => cron?.split(' ')[0])).size).toBe(4);
});

describe('the heartbeat', () => {
  const second = '  staging:\n    database-url: STAGING_URL\n    storage: s3://octo-backups/staging\n';
  const alarms = 'alarms: { heartbeat-url: HEARTBEAT, heartbeat-signals: fail }\n';
  const callsOf = (text: string) =>
    Object.fromEntries(
      jobsOf(text).flatMap(([id, { secrets = {} }]) =>
        secrets.HEARTBEAT_URL === undefined ? [] : [[id, secrets.HEARTBEAT_URL]],
      ),
    );

  test('of one database is called by its watch alone, which looks at the workflows, too', () => {
    const text = smallPolicy + alarms;
    expect(callsOf(text)).toEqual({ 'production-watch': '${' + '{ secrets.HEARTBEAT }}' });
    const watch = jobOf(text, 'production-watch');
    expect(watch.with).toMatchObject({ policy: '.github/supabase-backup.yml', 'heartbeat-signals': 'fail' });
    expect(watch.permissions).toMatchObject({ actions: 'write' });
    expect(jobsOf(text).map(([id]) => id)).not.toContain('schedules');
    expect(jobOf(text, 'production-full').with).not.toHaveProperty(['heartbeat-signals']);
  });

  test('of several is called by the one job after all watches, and only when all of them went well', () => {
    const calls = callsOf(smallPolicy + second + alarms);
    expect(Object.keys(calls)).toEqual(['schedules']);
    const watch = parse(
      render(smallPolicy + second + alarms).find(({ file }) => file.includes('watch'))?.text ?? '',
    );
    expect(watch.jobs.schedules).toMatchObject({
      needs: ['production-watch', 'staging-watch'],
      if: '!cancelled()',
    });
    expect(calls.schedules).toBe(
      '${' +
        "{ !contains(needs.*.result, 'failure') && !contains(needs.*.result, 'cancelled') && " +
        "(github.event_name == 'schedule' || !contains(needs.*.result, 'skipped')) && secrets.HEARTBEAT || '' }}",
    );
  });

  test('of a database of its own is called by its watch, beside that of all', () => {
    const own = `${second}    heartbeat-url: STAGING_HEARTBEAT\n`;
    expect(callsOf(smallPolicy + own)).toEqual({ 'staging-watch': '${' + '{ secrets.STAGING_HEARTBEAT }}' });
    expect(Object.keys(callsOf(smallPolicy + own + alarms))).toEqual(['staging-watch', 'schedules']);
  });

  test('without a watch is refused', () => {
    expect(() => render(`${smallPolicy}schedules: { watch: false }\n${alarms}`)).toThrow(
      'alarms.heartbeat-url: is called by the watch, which is switched off',
    );
  });
});

describe('the workflow to restore', () => {
  const restoreOf = (text: string) => {
    const found = render(text).find(({ file }) => file === 'supabase-backup-restore.yml');
    return found === undefined ? undefined : parse(found.text);
  };

  test('is started by people alone, touches nothing unless they say so, and passes on all that they answer', () => {
    const { on, jobs } = restoreOf(smallPolicy);
    expect(Object.keys(on)).toEqual(['workflow_dispatch']);
    const asked = on.workflow_dispatch.inputs;
    // GitHub takes 25 inputs of a start by hand at most.
    expect(Object.keys(asked).length).toBeLessThanOrEqual(25);
    expect(asked['dry-run'].default).toBe(true);
    expect(asked['safety-backup'].default).toBe(true);
    const passed = jobs['production-restore'].with;
    for (const name of Object.keys(asked)) expect(passed[name], name).toBe(`\${{ inputs.${name} }}`);
  });

  test('is approved in the environment that the policy names, or one of the name of the database', () => {
    const named = `${smallPolicy}    restore: { environment: emergency, target-url: NEW_DATABASE, safety-storage: s3://octo-backups/safety }\n`;
    expect(jobOf(smallPolicy, 'production-restore')).toMatchObject({
      with: { environment: 'production-restore' },
      secrets: { TARGET_URL: '${' + '{ secrets.TARGET_URL }}' },
    });
    expect(jobOf(named, 'production-restore')).toMatchObject({
      with: { environment: 'emergency', 'safety-storage': 's3://octo-backups/safety' },
      secrets: { TARGET_URL: '${' + '{ secrets.NEW_DATABASE }}' },
    });
  });

  test('restores one database of several, never all', () => {
    const { on, jobs } = restoreOf(fullPolicy);
    expect(on.workflow_dispatch.inputs.database.options).toEqual(['production', 'staging']);
    expect(jobs['staging-restore'].if).toBe("inputs.database == 'staging'");
  });

  test('is left out where the policy says so', () => {
    expect(restoreOf(`${smallPolicy}restore: false\n`)).toBeUndefined();
  });
});

test('an artifact is kept as long as the policy says by every job that writes it', () => {
  const text = smallPolicy.replace(
    's3://octo-backups/production',
    'artifact://production\n    artifact-retention-days: 7',
  );
  for (const [id, job] of jobsOf(text)) {
    const writes = /-(full|incremental|schema|archive|drill|cleanup|restore)$/.test(id);
    expect(job.with['artifact-retention-days'], id).toBe(writes ? '7' : undefined);
  }
  expect(() => render(`${smallPolicy}    artifact-retention-days: 7\n`)).toThrow('is about artifacts');
});
