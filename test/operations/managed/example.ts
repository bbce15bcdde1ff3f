import { ManagementApi } from '../../../src/management/api.ts';
import { type ManagedFacts, readManagedFacts } from '../../../src/management/facts.ts';
import { now } from '../../repository/backups/freshness-example.ts';
import { type FakeManagement, makeClock } from '../../support/fake-management.ts';

/** Asks the stand-in with a clock that only sleeping moves. */
export function connectFake({ url, token }: FakeManagement, clock = makeClock(now)): ManagementApi {
  return new ManagementApi({ token, root: url, env: {}, clock, signal: new AbortController().signal });
}

/** What the stand-in says of its project, at the time of the examples */
export function askFake(platform: FakeManagement): Promise<ManagedFacts> {
  return readManagedFacts(connectFake(platform), platform.project.ref, now);
}
