import type { Contender, Findings, Group, Target } from './contender.ts';
import { measure } from './measure.ts';

export interface Run extends Findings {
  readonly seconds: number;
  readonly peakRssBytes: number | undefined;
}

export interface Row {
  readonly id: string;
  readonly name: string;
  readonly missing: string | undefined;
  /** In the order they ran; empty when the contender cannot run here. */
  readonly runs: readonly Run[];
}

export interface Verdict {
  readonly target: Target;
  /** Of medians, or the peak of memory, in the target's own unit; undefined when one of the contenders did not run. */
  readonly measured: number | undefined;
  /** The same of the best runs. */
  readonly ofBest: number | undefined;
  readonly met: boolean;
}

export interface GroupResult {
  readonly group: Group;
  readonly rows: readonly Row[];
  readonly verdicts: readonly Verdict[];
}

/**
 * Runs every contender of a group `rounds` times, by turns: whatever drifts on the machine meanwhile hits all alike. Each round
 * begins with another one, so that none always follows the same neighbour.
 */
export async function compare(
  group: Group,
  rounds: number,
  { settle, onProgress }: { settle: () => Promise<void>; onProgress: (line: string) => void },
): Promise<GroupResult> {
  const runs = new Map<string, Run[]>(group.contenders.map(({ id }) => [id, []]));
  const able = group.contenders.filter((contender) => contender.missing === undefined);
  for (const contender of able) await contender.setUp?.();
  for (let round = 0; round < rounds; round++) {
    const first = round % able.length;
    for (const contender of [...able.slice(first), ...able.slice(0, first)]) {
      const run = await runOnce(contender, settle);
      runs.get(contender.id)?.push(run);
      onProgress(`${group.id} ${round + 1}/${rounds}  ${contender.name}: ${run.seconds.toFixed(2)} s`);
    }
  }
  const rows = group.contenders.map(({ id, name, missing }) => ({
    ...{ id, name, missing },
    runs: runs.get(id) ?? [],
  }));
  return { group, rows, verdicts: group.targets.map((target) => judge(target, rows)) };
}

async function runOnce(contender: Contender, settle: () => Promise<void>): Promise<Run> {
  await contender.prepare?.();
  await settle();
  const { seconds, peakRssBytes, stdout } = await measure(contender.command);
  const findings = await contender.inspect?.(stdout);
  await contender.clean?.();
  return { seconds, peakRssBytes, ...findings };
}

/** What was not measured is not met. */
function judge(target: Target, rows: readonly Row[]): Verdict {
  const row = find(rows, target.contender);
  const verdict = (most: number, measured: number | undefined, ofBest: number | undefined): Verdict => ({
    ...{ target, measured, ofBest },
    met: measured !== undefined && measured <= most,
  });
  switch (target.kind) {
    case 'time': {
      const against = find(rows, target.against);
      return verdict(target.most, ratio(row, against, medianSeconds), ratio(row, against, bestSeconds));
    }
    case 'seconds':
      return verdict(target.mostSeconds, medianSeconds(row), bestSeconds(row));
    case 'bytes': {
      const against = find(rows, target.against);
      return verdict(target.most, ratio(row, against, medianStored), ratio(row, against, leastStored));
    }
    case 'size':
      return verdict(target.mostBytes, medianStored(row), leastStored(row));
    case 'requests':
      return verdict(
        target.most,
        medianRequests(row),
        leastOf(row, ({ traffic }) => traffic?.requests),
      );
    case 'traffic':
      return verdict(
        target.mostBytes,
        medianTraffic(row),
        leastOf(row, ({ traffic }) => traffic?.bytes),
      );
    case 'memory':
      return verdict(target.mostBytes, peakBytes(row), undefined);
  }
}

/** Throws when a group refers to a contender that it does not have. */
export function find(rows: readonly Row[], id: string): Row {
  const row = rows.find((row) => row.id === id);
  if (!row) throw new Error(`no contender ${id}`);
  return row;
}

export function ratio(row: Row, baseline: Row, figure: (row: Row) => number | undefined): number | undefined {
  const [one, other] = [figure(row), figure(baseline)];
  return one === undefined || other === undefined ? undefined : one / other;
}

export function medianSeconds(row: Row): number | undefined {
  return median(row.runs.map((run) => run.seconds));
}

export function bestSeconds(row: Row): number | undefined {
  return row.runs.length === 0 ? undefined : Math.min(...row.runs.map((run) => run.seconds));
}

/** Undefined when it stores nothing. */
export function medianStored(row: Row): number | undefined {
  return median(row.runs.flatMap((run) => run.storedBytes ?? []));
}

/** Undefined when it goes over no link. */
export function medianRequests(row: Row): number | undefined {
  return median(row.runs.flatMap(({ traffic }) => traffic?.requests ?? []));
}

export function medianTraffic(row: Row): number | undefined {
  return median(row.runs.flatMap(({ traffic }) => traffic?.bytes ?? []));
}

function leastStored(row: Row): number | undefined {
  return leastOf(row, (run) => run.storedBytes);
}

function leastOf(row: Row, figure: (run: Run) => number | undefined): number | undefined {
  const figures = row.runs.flatMap((run) => figure(run) ?? []);
  return figures.length === 0 ? undefined : Math.min(...figures);
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

/** Of all runs. */
export function peakBytes(row: Row): number | undefined {
  const peaks = row.runs.flatMap((run) => run.peakRssBytes ?? []);
  return peaks.length === 0 ? undefined : Math.max(...peaks);
}

/** Of the run with the median wall time, or one of its two neighbours. */
export function typicalRun(row: Row): Run | undefined {
  return row.runs.toSorted((a, b) => a.seconds - b.seconds)[Math.floor((row.runs.length - 1) / 2)];
}
