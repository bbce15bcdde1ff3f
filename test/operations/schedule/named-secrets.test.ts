import { describe, expect, it } from 'vitest';
import { parseCopies } from '../../../src/interface/inputs/copies-values.ts';
import type { ManagementAccess } from '../../../src/interface/inputs/management-types.ts';
import { chooseCopies, chooseProjects } from '../../../src/operations/schedule/named-secrets.ts';
import { renderWording, type Wording } from '../../../src/runtime/wording.ts';
import { planJobs } from '../../../src/schedule/plan/plan.ts';
import { parsePolicy } from '../../../src/schedule/policy/parse.ts';
import { smallPolicy } from '../../schedule/setting.ts';
import { createContext } from '../../support/context.ts';

const [shop, other] = ['abcdefghijklmnopqrst', 'tsrqponmlkjihgfedcba'];
const apiUrl = 'https://api.supabase.com';
const unknown = { accessToken: undefined, isTokenGiven: false, projectRef: undefined, apiUrl };
const second = '  crm:\n    database-url: CRM_URL\n    storage: s3://octo-backups/crm\n';

const databasesOf = (more: string) =>
  planJobs(parsePolicy(smallPolicy + more, 'policy.yml').policy, 'octo-org/shop').databases;

function listen(env: NodeJS.ProcessEnv = {}) {
  const warnings: string[] = [];
  const { log, ...context } = createContext({ env });
  const warn = (message: string | Wording) =>
    void warnings.push(renderWording(message, ({ input }) => `--${input}`));
  return { warnings, context: { ...context, log: { ...log, warn } } };
}

function choose(more: string, given: Partial<ManagementAccess>, env: NodeJS.ProcessEnv = {}) {
  const { context, warnings } = listen(env);
  const asked = { policy: 'policy.yml', managementAccess: { ...unknown, ...given } };
  return { projects: chooseProjects(databasesOf(more), asked, context), warnings };
}

describe('the project of a policy', () => {
  const named = `    project-ref: ${shop}\n`;

  it('is asked with the token of the variable that the policy names, or else with that of the inputs', () => {
    const own = `${named}    supabase-access-token: SHOP_TOKEN\n`;
    const [ofPolicy] = choose(own, { accessToken: 'sbp_x' }, { SHOP_TOKEN: 'sbp_shop' }).projects;
    expect(ofPolicy).toEqual({ accessToken: 'sbp_shop', projectRef: shop, apiUrl });
    const [ofInputs] = choose(own, { accessToken: 'sbp_x' }).projects;
    expect(ofInputs).toEqual({ accessToken: 'sbp_x', projectRef: shop, apiUrl });
  });

  it('is not asked without a token, which is told with the name of the variable', () => {
    const { projects, warnings } = choose(named, {});
    expect(projects).toEqual([undefined]);
    expect(warnings).toEqual([
      expect.stringContaining('variable SUPABASE_ACCESS_TOKEN, or --supabase-access-token'),
    ]);
  });

  it('is that of each database, and of the inputs only where there is one database', () => {
    const both = `${named}${second}    project-ref: ${other}\n`;
    const refs = choose(both, { accessToken: 'sbp_x' }).projects.map((project) => project?.projectRef);
    expect(refs).toEqual([shop, other]);
    const given = { accessToken: 'sbp_x', projectRef: shop };
    expect(choose('', given).projects[0]?.projectRef).toBe(shop);
    const { projects, warnings } = choose(second, given);
    expect(projects).toEqual([undefined, undefined]);
    expect(warnings).toEqual([expect.stringContaining('--project-ref names one project')]);
  });

  it('is refused where the inputs lead to another one, or a token is given and nothing names a project', () => {
    const given = { accessToken: 'sbp_x', projectRef: other };
    expect(() => choose(named, given)).toThrow(`names the project ${shop} for production`);
    expect(() => choose('', { accessToken: 'sbp_x', isTokenGiven: true })).toThrow(
      'project-ref: is required',
    );
    expect(choose('', { accessToken: 'sbp_x' })).toEqual({ projects: [undefined], warnings: [] });
  });

  it('is not asked with what is no token, which no message quotes', () => {
    const own = `${named}    supabase-access-token: SHOP_TOKEN\n`;
    const attempt = () => choose(own, {}, { SHOP_TOKEN: 'no token' });
    expect(attempt).toThrow(
      'supabase-access-token: the variable SHOP_TOKEN, which the policy names, contains',
    );
    expect(attempt).not.toThrow('no token');
  });
});

describe('the copies of a database of a policy', () => {
  const place = { storage: 's3://octo-backups/production', s3Endpoint: undefined };
  const chooseOf = (given: string | undefined, env: NodeJS.ProcessEnv) => {
    const { context, warnings } = listen(env);
    const [database] = databasesOf('    copies: COPIES_OF_SHOP\n');
    if (database === undefined) throw new Error('the policy has no database');
    const copies = chooseCopies(database, given === undefined ? [] : parseCopies(given), place, context);
    return { warnings, storages: copies.map(({ storage, s3Endpoint }) => ({ storage, s3Endpoint })) };
  };
  const env = { COPIES_OF_SHOP: 's3://elsewhere/production', AWS_ENDPOINT_URL_S3: 'https://s3.example.com' };

  it('are those of the variable that it names, as the input has them, unless the input is given', () => {
    expect(chooseOf(undefined, env)).toEqual({
      warnings: [],
      storages: [{ storage: 's3://elsewhere/production', s3Endpoint: 'https://s3.example.com' }],
    });
    expect(chooseOf('/mnt/copy', env).storages).toMatchObject([{ storage: '/mnt/copy' }]);
  });

  it('are missed where the variable is not set, and refused where they are no copies', () => {
    const { storages, warnings } = chooseOf(undefined, {});
    expect(storages).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('COPIES_OF_SHOP')]);
    const same = { COPIES_OF_SHOP: 's3://octo-backups/production' };
    expect(() => chooseOf(undefined, same)).toThrow('the same place as storage');
    expect(() => chooseOf(undefined, { COPIES_OF_SHOP: 'ftp://x' })).toThrow(
      'copies: the variable COPIES_OF_SHOP, which the policy names, entry 1: storage',
    );
  });
});
