import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GitHubFailure } from '../../src/github/api.ts';
import { readReviews } from '../../src/github/approvals.ts';
import { createContext } from '../support/context.ts';

const asked: string[] = [];
const server = createServer(({ url = '' }, response) => {
  asked.push(url);
  if (url !== '/api/v3/repos/acme/shop/actions/runs/7/approvals') return response.writeHead(404).end('{}');
  const environments = [{ id: 1, name: 'production' }];
  response.end(
    JSON.stringify([
      { state: 'approved', comment: 'go', user: { login: 'octocat', id: 1 }, environments },
      { state: 'rejected', comment: '', user: null },
    ]),
  );
});
const read = (url: string) => {
  const { port } = server.address() as AddressInfo;
  const env = { GITHUB_API_URL: `http://127.0.0.1:${port}/api/v3` };
  return readReviews(url, { ...createContext({ env }), token: 't', retryDelayMs: 1 });
};

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => server.close());

describe('the reviews of a run', () => {
  it('are those that GitHub tells, by the address of the run', async () => {
    expect(await read('https://github.com/acme/shop/actions/runs/7')).toEqual([
      { by: 'octocat', state: 'approved', environments: ['production'] },
      { by: '', state: 'rejected', environments: [] },
    ]);
  });

  it('are not known of a run that GitHub does not know', async () => {
    await expect(read('https://github.com/acme/shop/actions/runs/8')).rejects.toThrow(GitHubFailure);
  });

  it.each([
    '',
    'worker-3, process 12',
    'https://github.com/acme/../actions/runs/7',
    'https://github.com/acme/shop/runs/7',
  ])('are asked of no address such as %j', async (url) => {
    asked.length = 0;
    expect(await read(url)).toBeUndefined();
    expect(asked).toEqual([]);
  });
});
