/** How one of several that were asked has answered, when nobody else did before */
export interface Answered<Asked, Answer> {
  readonly kind: 'answered';
  readonly from: Asked;
  readonly answer: Answer;
  /** Those that failed before, and why, in the order of their failures */
  readonly failures: readonly (readonly [Asked, Error])[];
  /** Those that were asked before and have not answered yet */
  readonly late: readonly Asked[];
}

/** All have failed. */
export interface Unanswered<Asked> {
  readonly kind: 'unanswered';
  readonly failures: readonly (readonly [Asked, Error])[];
}

/**
 * Asks several in turn: the next one when one has failed, or has not answered for `patienceMs`. Who is late is still
 * listened to, so that a slow one answers where no other does, and nobody waits for one that hangs. What it reads in
 * vain is dropped.
 *
 * @param isFailure whether what one throws is its failure to answer; anything else is thrown at once
 */
export async function askInTurn<Asked, Answer>(
  all: readonly Asked[],
  ask: (asked: Asked) => Promise<Answer>,
  patienceMs: number,
  isFailure: (error: unknown) => error is Error,
): Promise<Answered<Asked, Answer> | Unanswered<Asked>> {
  const queue = all.values();
  const failures: (readonly [Asked, Error])[] = [];
  const waiting = new Map<Asked, Promise<Ended<Asked, Answer>>>();
  const askNext = (): boolean => {
    const { value: asked, done } = queue.next();
    if (done) return false;
    const ended = ask(asked).then(
      (answer): Ended<Asked, Answer> => ({ asked, answer }),
      (error: unknown): Ended<Asked, Answer> => ({ asked, error }),
    );
    waiting.set(asked, ended);
    return true;
  };
  let isMore = askNext();
  while (waiting.size > 0) {
    const ended = await raceAgainst(isMore ? patienceMs : undefined, [...waiting.values()]);
    if (ended === undefined) {
      isMore = askNext();
      continue;
    }
    waiting.delete(ended.asked);
    if ('answer' in ended)
      return {
        kind: 'answered',
        from: ended.asked,
        answer: ended.answer,
        failures,
        late: [...waiting.keys()],
      };
    if (!isFailure(ended.error)) throw ended.error;
    failures.push([ended.asked, ended.error]);
    isMore = askNext();
  }
  return { kind: 'unanswered', failures };
}

type Ended<Asked, Answer> =
  | { readonly asked: Asked; readonly answer: Answer }
  | { readonly asked: Asked; readonly error: unknown };

/**
 * Waits for the first of several promises, none of which rejects.
 *
 * @param timeMs undefined to wait for as long as it takes
 * @returns undefined when the time is over
 */
export async function raceAgainst<Result>(
  timeMs: number | undefined,
  promises: readonly Promise<Result>[],
): Promise<Result | undefined> {
  if (timeMs === undefined) return Promise.race(promises);
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeMs);
  });
  try {
    return await Promise.race([...promises, over]);
  } finally {
    clearTimeout(timer);
  }
}
