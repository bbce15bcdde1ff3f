import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest, slowest first. Were one of them begun last, it would run alone in the end. */
const slowest = [
  'parity/guard',
  'scenarios/survive-storage',
  'scenarios/incremental-lineage',
  'recover/runbook',
  'recover/recover',
  'scenarios/partial-clean',
  'scenarios/faults',
  'scenarios/restore-guard',
  'scenarios/capture',
];

/** The others follow as Vitest has them: by size, where it does not know how long they took. */
class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = slowest.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return index < 0 ? slowest.length : index;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Many tests start a PostgreSQL server of their own.
    maxWorkers: 2,
    testTimeout: 90_000,
    hookTimeout: 60_000,
    reporters: ['default'],
    sequence: { sequencer: SlowestFirst },
  },
});
