import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openWorkflows } from '../../../src/github/workflows.ts';
import { examine } from '../../../src/operations/doctor/examine.ts';
import { describeDiagnosis } from '../../../src/operations/doctor/report.ts';
import { askPlatform } from '../../../src/operations/managed/read.ts';
import { askNameServers } from '../../../src/postgres/session/knock.ts';
import { renderWording } from '../../../src/runtime/wording.ts';
import { now } from '../../repository/backups/freshness-example.ts';
import { smallPolicy } from '../../schedule/setting.ts';
import { createContext } from '../../support/context.ts';
import { type FakeManagement, ref, startFakeManagement } from '../../support/fake-management.ts';
import { connectFake } from '../managed/example.ts';
import { find, type Given, toInputs } from './example.ts';

/* What doctor says of the project at Supabase, against the stand-in of the Management API. */

let platform: FakeManagement;
beforeEach(async () => {
  platform = await startFakeManagement(now);
});
afterEach(async () => {
  expect(platform.violations).toEqual([]);
  await platform.close();
});

function look(given: Given = {}, env: NodeJS.ProcessEnv = {}) {
  const whole: Given = { 'project-ref': ref, 'supabase-access-token': platform.token, ...given };
  const ask = ((management, context) =>
    askPlatform(
      management,
      context,
      connectFake({ ...platform, token: management.accessToken }),
    )) satisfies typeof askPlatform;
  const context = createContext({ env, now: () => now });
  return examine(toInputs(whole), context, {
    ...{ lookUp: askNameServers, openApi: openWorkflows, askPlatform: ask },
  });
}

const names = ['platform-token', 'platform-project', 'platform-backups'] as const;
const statesOf = (diagnosis: Awaited<ReturnType<typeof look>>) =>
  names.map((name) => find(diagnosis, name).state);

describe('the platform', () => {
  it('is told by token, state, plan and the kind of its backups', async () => {
    const diagnosis = await look();
    expect(statesOf(diagnosis)).toEqual(['ok', 'ok', 'ok']);
    expect(find(diagnosis, 'platform-project').reason).toMatch(/^abcdefghijklmnopqrst, .*: ACTIVE_HEALTHY$/);
    expect(find(diagnosis, 'platform-backups').reason).toMatch(/^plan pro: 7 daily backups to go back to/);
    expect(JSON.stringify(diagnosis)).not.toContain(platform.token);
    platform.project.isPitr = true;
    platform.project.backups = [];
    platform.project.window = { earliest: new Date(now.getTime() - 1e8), latest: now };
    const pitr = find(await look(), 'platform-backups');
    expect(pitr).toMatchObject({ state: 'ok' });
    expect(pitr.reason).toContain('plan pro: point-in-time recovery, any second from');
  });

  it('of the plan Free warns that there is nothing to restore', async () => {
    platform.project.plan = 'free';
    platform.project.retentionDays = 0;
    const backups = find(await look(), 'platform-backups');
    expect(backups.state).toBe('warning');
    expect(backups.reason).toContain('plan free: Supabase keeps no backup that could be restored');
  });

  it('of a project that is under way waits, and of one that is paused has failed', async () => {
    platform.project.statuses = ['UPGRADING'];
    expect(find(await look(), 'platform-project').state).toBe('warning');
    platform.project.statuses = ['INACTIVE'];
    const outcome = describeDiagnosis(await look());
    expect(outcome).toMatchObject({ exitCode: 3, outputs: { cure: expect.stringContaining('Resume it') } });
  });

  it('tells what the token may not, with the permission that is missing', async () => {
    platform.project.denied.set('/addons', 'add_ons_read');
    const partly = await look();
    expect(statesOf(partly)).toEqual(['warning', 'ok', 'ok']);
    expect(find(partly, 'platform-token')).toMatchObject({
      reason: expect.stringContaining('not: the add-on for point-in-time recovery; it lacks add_ons_read'),
      remedy: expect.stringContaining('Give the token add_ons_read'),
    });
    platform.project.denied.set('/backups', 'backups_read');
    const without = await look();
    expect(statesOf(without)).toEqual(['failed', 'ok', 'unchecked']);
    expect(find(without, 'platform-token').reason).toContain('it lacks backups_read');
  });

  it('is asked no more with a token that is not known, and is unchecked where nobody answers', async () => {
    const unknown = await look({ 'supabase-access-token': 'sbp_gone' });
    expect(statesOf(unknown)).toEqual(['failed', 'unchecked', 'unchecked']);
    expect(platform.requests).toHaveLength(1);
    platform.fault = () => ({ kind: 'answer', status: 503 });
    const silent = await look();
    expect(statesOf(silent)).toEqual(['unchecked', 'unchecked', 'unchecked']);
    expect(describeDiagnosis(silent).exitCode).toBe(0);
  });

  it('without a token is one line that warns of nothing, and without a project none', async () => {
    const url = `postgresql://postgres:p@db.${ref}.supabase.co:1/postgres`;
    const only = { 'supabase-access-token': '', 'project-ref': '', storage: '' };
    const named = await look({ ...only, 'project-ref': ref, 'encryption-recipients': '', policy: '/gone' });
    const token = named.checks.find(({ name }) => name === 'platform-token');
    expect(token?.state).toBe('unchecked');
    expect(renderWording(token?.reason ?? '', ({ input }) => `--${input}`)).toBe(
      `${ref} was not checked: neither --supabase-access-token nor SUPABASE_ACCESS_TOKEN is set`,
    );
    expect(named.checks.filter(({ name }) => name.startsWith('platform'))).toHaveLength(1);
    expect(toInputs({ ...only, 'database-url': url }).managementAccess.projectRef).toBe(ref);
    const none = await look({ ...only, policy: '/gone' });
    expect(none.checks.filter(({ name }) => name.startsWith('platform'))).toEqual([]);
    expect(platform.requests).toEqual([]);
  });

  it('is that of the policy, which may not name another one than the inputs', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'doctor-policy-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const policy = path.join(folder, 'policy.yml');
    const named = `    project-ref: ${ref}\n    supabase-access-token: SHOP_TOKEN\n`;
    writeFileSync(policy, smallPolicy + named);
    const given = { policy, 'project-ref': '', 'supabase-access-token': '' };
    const env = { SHOP_TOKEN: platform.token };
    expect(statesOf(await look(given, env))).toEqual(['ok', 'ok', 'ok']);
    const other = await look({ ...given, 'project-ref': 'tsrqponmlkjihgfedcba' }, env);
    expect(find(other, 'platform-token')).toMatchObject({
      ...{ state: 'failed', reason: expect.stringContaining('names the project abcdefghijklmnopqrst') },
    });
  });
});

describe('the copies that a policy names', () => {
  it('are checked, and those of the inputs in their place', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'doctor-copies-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const policy = path.join(folder, 'policy.yml');
    writeFileSync(policy, `${smallPolicy}    copies: SHOP_COPIES\n`);
    const given = { policy, storage: '', 'project-ref': '', 'supabase-access-token': '' };
    const copies = async (more: Given, env: NodeJS.ProcessEnv) =>
      (await look({ ...given, ...more }, env)).checks.filter(({ name }) => name === 'copy');
    const env = { SHOP_COPIES: path.join(folder, 'one') };
    expect(await copies({}, env)).toMatchObject([{ state: 'ok', subject: expect.stringContaining('one') }]);
    expect(await copies({ copies: path.join(folder, 'two') }, env)).toMatchObject([
      { state: 'ok', subject: expect.stringContaining('two') },
    ]);
    await expect(copies({}, { SHOP_COPIES: 'ftp://x' })).rejects.toThrow('the variable SHOP_COPIES');
  });
});
