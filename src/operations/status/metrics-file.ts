import type { Context } from '../../runtime/context.ts';
import { replaceFile } from '../../runtime/replaced-file.ts';

/**
 * Replaces a file of metrics. It has mode 0644: a collector is another user. Its name while it is written does
 * not end in `.prom`, and is not collected.
 *
 * @throws ConfigurationError when it cannot be written
 */
export function writeMetricsFile(
  file: string,
  metrics: string,
  context: Pick<Context, 'redact' | 'random'>,
): Promise<void> {
  return replaceFile(file, metrics, { input: 'metrics-file', mode: 0o644 }, context);
}
