import { setTimeout as sleep } from 'node:timers/promises';
import type { ManagementInputs } from '../interface/inputs/platform-access.ts';
import type { Context } from '../runtime/context.ts';
import { type Clock, ManagementApi } from './api.ts';

/** The clock of a run: whoever sleeps is woken when the run is stopped. */
export function clockOf({ now, signal }: Pick<Context, 'now' | 'signal'>): Clock {
  return { now, sleep: (milliseconds) => sleep(milliseconds, undefined, { signal }) };
}

/** Makes a client of the API. Nothing is sent yet. */
export function connectManagement(
  { accessToken, apiUrl }: Pick<ManagementInputs, 'accessToken' | 'apiUrl'>,
  { env, signal }: Pick<Context, 'env' | 'signal'>,
  clock: Clock,
): ManagementApi {
  return new ManagementApi({ token: accessToken, root: apiUrl, env, signal, clock });
}
