import { rename, rm, writeFile } from 'node:fs/promises';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';

/**
 * Replaces a file of metrics at once, so that no collector reads half of it. It has mode 0644: a collector is
 * another user. Its name while it is written does not end in `.prom`, and is not collected.
 *
 * @throws ConfigurationError when it cannot be written; the file of before is then as it was
 */
export async function writeMetricsFile(
  file: string,
  metrics: string,
  { redact, random }: Pick<Context, 'redact' | 'random'>,
): Promise<void> {
  const unfinished = `${file}.${random().toString(36).slice(2, 10)}.new`;
  try {
    await writeFile(unfinished, redact(metrics), { flag: 'wx', mode: 0o644 });
    await rename(unfinished, file);
  } catch (cause) {
    await rm(unfinished, { force: true });
    throw new ConfigurationError(
      `metrics-file: ${JSON.stringify(file)} cannot be written`,
      'Write the path of a file in a folder that exists and that this user may write to.',
      cause,
    );
  }
}
