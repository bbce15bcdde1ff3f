import { cut } from '../issues/text.ts';

/** What a dead man's switch is told of a run */
export type Beat =
  | { readonly signal: 'start' }
  | { readonly signal: 'success' | 'fail'; readonly message: string; readonly durationMs: number };

export interface BeatRequest {
  readonly url: string;
  /** The text to POST; undefined for a GET */
  readonly text?: string;
}

/** UTF-16 code units; healthchecks.io keeps 100 kB, and a query has less room */
const [textLimit, queryLimit] = [8000, 200];

/**
 * Says one signal as the service behind the address understands it: Uptime Kuma by `status`, `msg` and `ping`;
 * all others as healthchecks.io, by `/start` and `/fail` behind the path, and `rid`, which joins start and end.
 *
 * @param extended whether more than successes is told; else the address is asked for as it is
 * @returns undefined where the service knows no such signal
 */
export function toBeat(
  address: string,
  beat: Beat,
  runId: string,
  extended: boolean,
): BeatRequest | undefined {
  const url = new URL(address);
  if (/\/api\/push\/[^/]+\/?$/.test(url.pathname)) return toPush(url, beat);
  if (!extended) return { url: address };
  if (beat.signal !== 'success') url.pathname = `${url.pathname.replace(/\/$/, '')}/${beat.signal}`;
  url.searchParams.set('rid', runId);
  return beat.signal === 'start' ? { url: url.href } : { url: url.href, text: cut(beat.message, textLimit) };
}

/** https://github.com/louislam/uptime-kuma/wiki/Internal-API#push-endpoint: `up` or `down`, and no start */
function toPush(url: URL, beat: Beat): BeatRequest | undefined {
  if (beat.signal === 'start') return undefined;
  url.searchParams.set('status', beat.signal === 'success' ? 'up' : 'down');
  url.searchParams.set('msg', cut(beat.message, queryLimit));
  url.searchParams.set('ping', String(Math.round(beat.durationMs)));
  return { url: url.href };
}
