/** Lists the lines that only the first (`-`) or only the second text (`+`) has, with line numbers. */
export function listDifferences(before: string, after: string): string[] {
  const [old, now] = [toLines(before), toLines(after)];
  const common = measureCommon(old, now);
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      i += 1;
      j += 1;
    } else if (
      j >= now.length ||
      (i < old.length && lengthAt(common, i + 1, j) >= lengthAt(common, i, j + 1))
    ) {
      lines.push(`${i + 1} - ${old[i]}`);
      i += 1;
    } else {
      lines.push(`${j + 1} + ${now[j]}`);
      j += 1;
    }
  }
  return lines;
}

/**
 * Computes, for each pair of indexes, the length of the longest common subsequence of the lines from there
 * on. Its quadratic size is fine: workflows have a few hundred lines.
 */
function measureCommon(old: readonly string[], now: readonly string[]): number[][] {
  const common = Array.from({ length: old.length + 1 }, () => new Array<number>(now.length + 1).fill(0));
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      const row = common[i] as number[];
      row[j] =
        old[i] === now[j]
          ? lengthAt(common, i + 1, j + 1) + 1
          : Math.max(lengthAt(common, i + 1, j), lengthAt(common, i, j + 1));
    }
  }
  return common;
}

function lengthAt(common: readonly (readonly number[])[], i: number, j: number): number {
  return common[i]?.[j] ?? 0;
}

function toLines(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}
