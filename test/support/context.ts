import type { Context, Log } from '../../src/runtime/context.ts';
import type { Wording } from '../../src/runtime/wording.ts';

/** A log that keeps the warnings. */
export class CollectingLog implements Log {
  readonly warnings: string[] = [];
  debug(): void {}
  info(): void {}
  warn(message: string | Wording): void {
    this.warnings.push(String(message));
  }
  error(): void {}
  group<T>(_title: string, body: () => Promise<T>): Promise<T> {
    return body();
  }
  progress(): void {}
}

/** The context of a test: this process's environment, and a clock that stands still. */
export function createContext(changes: Partial<Context> = {}): Context & { log: CollectingLog } {
  return {
    env: process.env,
    signal: new AbortController().signal,
    temporaryFolder: '/nonexistent',
    now: () => new Date('2026-11-20T02:17:00Z'),
    random: Math.random,
    limitInherited: (_, body) => body(),
    redact: (text) => text,
    mask: () => undefined,
    ...changes,
    log: (changes.log as CollectingLog | undefined) ?? new CollectingLog(),
  };
}

/** For what reads a connection where no variable says anything. */
export const emptyContext = createContext({ env: {} });

/** With the clock of this machine, for what compares it with times of files. */
export const presentContext = createContext({ now: () => new Date() });
