import { randomUUID } from 'node:crypto';
import type { Inputs } from '../../interface/inputs/types.ts';
import type { Outcome, Told } from '../../interface/outcome.ts';
import type { Context, Log } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { inScratchFolder } from '../../runtime/scratch-folder.ts';
import { renderWording } from '../../runtime/wording.ts';
import { toFailure } from '../process/failure.ts';
import { Interruption } from '../process/interruption.ts';
import type { Alarm } from '../run-alarm.ts';
import { nameForAssistant } from './surface.ts';

/** How a run that was started here stands. */
export interface RunState {
  readonly id: string;
  readonly operation: string;
  /** `no`: it ran, and the answer is no; `failed`: it could not do its work, or was stopped */
  readonly state: 'running' | 'done' | 'no' | 'failed';
  readonly startedAt: Date;
  /** Undefined while it runs */
  readonly endedAt: Date | undefined;
  /** The last line of progress; undefined where it has told none */
  readonly progress: string | undefined;
  readonly warnings: readonly string[];
  /** Undefined while it runs, and when it failed */
  readonly result: unknown;
  readonly failure: { readonly kind: string; readonly message: string; readonly next: string } | undefined;
}

/** What starts a run. */
export interface RunRequest<Result> {
  readonly inputs: Inputs;
  readonly alarm: Alarm;
  readonly perform: (context: Context) => Promise<Told<Result>>;
}

interface Entry {
  state: RunState;
  readonly stop: AbortController;
  readonly alarm: Alarm;
  readonly ended: Promise<void>;
}

/** How many runs are remembered, and of each how many of its warnings, the last ones */
const [mostRuns, mostWarnings] = [20, 100];

/**
 * The runs of one connection. An assistant waits for no hour: a run goes on while it asks how it stands, and
 * ends with the connection. One runs at a time.
 */
export class Runs {
  readonly #entries = new Map<string, Entry>();
  readonly context: Context;

  /** @param context of the process; its signal stops every run */
  constructor(context: Context) {
    this.context = context;
  }

  /**
   * Starts a run. It is recorded, and announced, as one of the command line.
   *
   * @returns its id
   * @throws ConfigurationError while another one is under way
   */
  start<Result>(request: RunRequest<Result>): string {
    this.refuseSecond();
    const id = randomUUID();
    const stop = new AbortController();
    const state = { id, operation: request.inputs.operation, state: 'running' as const, warnings: [] };
    const unknown = { endedAt: undefined, progress: undefined, result: undefined, failure: undefined };
    const ended = Promise.resolve().then(() => this.#carryOut(id, request, stop.signal));
    this.#entries.set(id, {
      ...{ stop, ended, alarm: request.alarm },
      state: { ...state, ...unknown, startedAt: this.context.now() },
    });
    for (const old of [...this.#entries.keys()].slice(0, -mostRuns)) this.#entries.delete(old);
    return id;
  }

  /** @throws ConfigurationError while a run is under way */
  refuseSecond(): void {
    const busy = this.#current();
    if (busy === undefined) return;
    throw new ConfigurationError(
      `${busy.state.operation} ${busy.state.id} is under way, and one runs at a time`,
      'Ask how it stands with backup_run_show, and start this one when it has ended.',
    );
  }

  async #carryOut<Result>(id: string, request: RunRequest<Result>, stop: AbortSignal): Promise<void> {
    const { inputs, alarm, perform } = request;
    const { now, log } = this.context;
    const signal = AbortSignal.any([this.context.signal, stop]);
    const { noteRepository, noteSlot } = alarm;
    const context = { ...this.context, signal, noteRepository, noteSlot, log: this.#listen(id) };
    alarm.inputs = inputs;
    alarm.begin();
    try {
      const { result, outcome } = await inScratchFolder(context, perform);
      await alarm.notify({ outcome });
      this.#note(id, { state: judge(outcome), endedAt: now(), progress: undefined, result });
    } catch (error) {
      const failure = toFailure(error, signal, nameForAssistant([]));
      log.error(failure.message);
      if (failure.kind === 'Defect') log.info(failure.details);
      await alarm.notify({ failure, error });
      this.#note(id, { state: 'failed', endedAt: now(), failure });
    }
  }

  /** The log of a run: of the process, and kept for whoever asks how the run stands */
  #listen(id: string): Log {
    const { log } = this.context;
    return {
      ...log,
      warn: (message) => {
        log.warn(message);
        const told = renderWording(message, nameForAssistant([]));
        const earlier = this.#entries.get(id)?.state.warnings ?? [];
        this.#note(id, { warnings: [...earlier, told].slice(-mostWarnings) });
      },
      progress: (line) => {
        log.progress(line);
        this.#note(id, { progress: line });
      },
    };
  }

  #note(id: string, change: Partial<RunState>): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.state = { ...entry.state, ...change };
  }

  /** Newest first */
  list(): readonly RunState[] {
    return [...this.#entries.values()].map(({ state }) => state).reverse();
  }

  /**
   * Waits until the run has ended, at most so long, and tells how it stands.
   *
   * @param signal ends the waiting, and not the run: a client that gives up waiting takes a call back, too
   * @throws ConfigurationError when there is no such run
   */
  async watch(id: string, waitMs: number, signal: AbortSignal): Promise<RunState> {
    const entry = this.#find(id);
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, waitMs);
    signal.addEventListener('abort', () => over.resolve(), { once: true });
    if (signal.aborted) over.resolve();
    try {
      await Promise.race([entry.ended, over.promise]);
    } finally {
      clearTimeout(timer);
    }
    return entry.state;
  }

  /** Asks a run to stop, as Ctrl-C does. */
  stop(id: string): void {
    this.#find(id).stop.abort(new Interruption('SIGINT'));
  }

  /** Stops the run that is under way, and waits for its end. */
  async hangUp(): Promise<void> {
    const current = this.#current();
    current?.stop.abort(new Interruption('SIGHUP'));
    await current?.ended;
  }

  /** Notifies of a run that does not stop: the process is about to end. */
  notifyStopped(interruption: Interruption): Promise<void> | undefined {
    const failure = toFailure(interruption, AbortSignal.abort(interruption));
    return this.#current()?.alarm.notify({ failure, error: interruption });
  }

  #find(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry;
    throw new ConfigurationError(
      'run: this server has started no such run, or has been started anew since',
      'backup_run_show without a run lists them; backup_status tells of all others.',
    );
  }

  #current(): Entry | undefined {
    return [...this.#entries.values()].find(({ state }) => state.state === 'running');
  }
}

function judge({ exitCode }: Outcome): 'done' | 'no' {
  return exitCode === 0 ? 'done' : 'no';
}
