import { beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { type Expectation, expectRung, type Ladder, type Restored, type Rung } from './ladder.ts';

/** What one case does before a backup, and what it expects of this backup and of what was restored of it. */
export type Round = () => Promise<Expectation & { check?: (rung: Rung, restored: Restored) => unknown }>;

export interface Case {
  readonly name: string;
  /** Why the case cannot be on this server; undefined when it can. Asked before the first round. */
  readonly skip?: () => Promise<string | undefined>;
  readonly rounds: readonly Round[];
}

interface Played {
  readonly base: Rung;
  readonly rung: Rung;
  readonly restored: Restored;
}

/**
 * Cases that share their backups and restores. Each changes tables of its own, none leaves a transaction under way that another case does
 * not expect, and so one incremental backup tells of all of them: round after round, every case makes its next change, one backup is taken
 * upon the one before, and restored and compared once. A test then asks for its own tables; the last one asks that nothing else differs.
 */
export function describeTogether(title: string, getLadder: () => Ladder, cases: readonly Case[]): void {
  describe(title, () => {
    const outcomes = new Map<string, Outcome>();
    const played: Played[] = [];

    beforeAll(async () => {
      const ladder = getLadder();
      for (const { name, skip } of cases) outcomes.set(name, { skipped: await skip?.(), told: [] });
      const count = Math.max(...cases.map(({ rounds }) => rounds.length));
      for (let round = 0; round < count; round++) await play(ladder, round);
    }, 180_000);

    async function play(ladder: Ladder, round: number): Promise<void> {
      const base = ladder.latest;
      if (base === undefined) throw new Error('there is no base yet');
      for (const { name, rounds } of cases) {
        const outcome = outcomes.get(name) as Outcome;
        const change = rounds[round];
        if (change === undefined || outcome.skipped !== undefined || outcome.failure !== undefined) continue;
        await attempt(outcome, async () => void outcome.told.push({ round, ...(await change()) }));
      }
      const rung = await ladder.take('incremental');
      const restored = await ladder.compareRestored();
      played.push({ base, rung, restored });
      for (const outcome of outcomes.values()) {
        const told = outcome.told.find((each) => each.round === round);
        if (told?.check !== undefined) await attempt(outcome, async () => told.check?.(rung, restored));
      }
    }

    for (const { name, rounds } of cases) {
      test(name, ({ skip }: TestContext) => {
        const { skipped, failure, told } = outcomes.get(name) as Outcome;
        if (skipped !== undefined) skip(skipped);
        if (failure !== undefined) throw failure.error;
        expect(told.length).toBe(rounds.length);
        for (const { round, check: _, ...expected } of told) {
          const { base, rung, restored } = played[round] as Played;
          expectRung(rung, base, expected);
          expect(
            restored.data.filter((line) => concerns(line, expected)),
            `round ${round + 1}`,
          ).toEqual([]);
        }
      });
    }

    test('each of these backups, restored, is what pg_dump writes of the source', () => {
      expect(played.map(({ restored }) => restored.data)).toEqual(played.map(() => []));
      for (const { restored } of played) expect(restored.schema.restored).toBe(restored.schema.source);
    });
  });
}

interface Outcome {
  readonly skipped: string | undefined;
  readonly told: (Awaited<ReturnType<Round>> & { readonly round: number })[];
  failure?: { readonly error: unknown };
}

/** What fails in one case is told by its test, and the others go on. */
async function attempt(outcome: Outcome, body: () => Promise<unknown>): Promise<void> {
  try {
    await body();
  } catch (error) {
    outcome.failure = { error };
  }
}

/** A difference begins with the name of its table. */
function concerns(line: string, { read = [], reused = [], partly = [] }: Expectation): boolean {
  return [...read, ...reused, ...partly].some((name) =>
    line.startsWith(`${name.includes('.') ? name : `public.${name}`}:`),
  );
}
