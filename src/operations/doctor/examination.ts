import type { Context } from '../../runtime/context.ts';
import { endWith, startTimer } from '../../runtime/deadline.ts';
import { isKnownError, messageOf } from '../../runtime/errors.ts';
import type { Wording } from '../../runtime/wording.ts';
import { type Check, type CheckName, checks as checkNames } from './result.ts';

/** What a check has found, and what it hands to later ones. */
export type Finding<Value = undefined> = (
  | { readonly state: 'ok' | 'unchecked'; readonly reason: string | Wording }
  | {
      readonly state: 'warning' | 'failed';
      readonly reason: string | Wording;
      readonly remedy: string | Wording;
    }
) & { readonly value?: Value | undefined };

export const ok = <Value = undefined>(reason: string | Wording, value?: Value): Finding<Value> => {
  return { state: 'ok', reason, value };
};
export const warning = <Value = undefined>(
  reason: string | Wording,
  remedy: string | Wording,
  value?: Value,
): Finding<Value> => {
  return { state: 'warning', reason, remedy, value };
};
export const failed = (reason: string | Wording, remedy: string | Wording): Finding<never> => {
  return { state: 'failed', reason, remedy };
};
export const unchecked = (reason: string | Wording): Finding<never> => ({ state: 'unchecked', reason });

/** milliseconds that a check may take, unless it says otherwise */
const usualLimitMs = 60_000;

interface CheckOptions {
  /** Checks that must have found no failure: without them this one would find the same again, or hang */
  readonly needs?: readonly CheckName[];
  readonly limitMs?: number;
  /** Which of several is meant */
  readonly subject?: string | undefined;
}

/** Carries checks out one after another, each within a time limit, and keeps what they have found. */
export class Examination {
  readonly #checks: Check[] = [];
  /** For each check that was passed over, the one that it waited for, through all between */
  readonly #awaited = new Map<CheckName, CheckName>();
  readonly #signal: AbortSignal;
  readonly #limitMs: number | undefined;

  /** @param limitMs of each check, for tests */
  constructor({ signal }: Pick<Context, 'signal'>, limitMs?: number) {
    this.#signal = signal;
    this.#limitMs = limitMs;
  }

  get checks(): readonly Check[] {
    return this.#checks;
  }

  /** Whether a check was carried out and has found no failure. */
  has(name: CheckName): boolean {
    return this.#checks.some(
      (check) => check.name === name && (check.state === 'ok' || check.state === 'warning'),
    );
  }

  /**
   * Carries a check out. A failure with a remedy, an answer of a server or of the system, and the end of the
   * time are findings; anything else is a defect of ours, and thrown.
   *
   * @param body may be left behind when its time is over: what it opens has to heed the signal
   * @returns what the check hands on; undefined when it could not
   */
  async run<Value = undefined>(
    name: CheckName,
    body: (signal: AbortSignal) => Promise<Finding<Value>>,
    { needs = [], limitMs = usualLimitMs, subject }: CheckOptions = {},
  ): Promise<Value | undefined> {
    const missing = needs.find((needed) => !this.has(needed));
    const { value, ...found } =
      missing === undefined
        ? await this.#attempt(body, this.#limitMs ?? limitMs)
        : this.#passOver(name, missing);
    this.#checks.push({ name, ...(subject === undefined ? {} : { subject }), ...found } as Check);
    return value;
  }

  #passOver(name: CheckName, missing: CheckName): Finding<never> {
    const awaited = this.#awaited.get(missing) ?? missing;
    this.#awaited.set(name, awaited);
    const { title } = checkNames[awaited];
    const isFailed = this.#checks.some((check) => check.name === awaited && check.state === 'failed');
    return unchecked(isFailed ? `${title} has failed` : `${title} was not checked`);
  }

  async #attempt<Value>(
    body: (signal: AbortSignal) => Promise<Finding<Value>>,
    limitMs: number,
  ): Promise<Finding<Value>> {
    this.#signal.throwIfAborted();
    using timer = startTimer(limitMs, this.#signal, 0);
    try {
      return await endWith(timer, body);
    } catch (error) {
      this.#signal.throwIfAborted();
      if (timer.signal.aborted)
        return failed(
          `there was no answer within ${limitMs / 1000} s`,
          'Run it again. If this continues, check the network and whether the other side is overloaded.',
        );
      if (isKnownError(error)) return failed(error.told.message, error.told.next);
      if (!isAnswer(error)) throw error;
      return failed(messageOf(error), 'Read the message, and check whether another program works from here.');
    }
  }
}

/** Whether a server or the system has said it: their errors have a code, and wrap none of ours. */
function isAnswer(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (typeof (cause as { code?: unknown }).code === 'string') return true;
  }
  return false;
}
