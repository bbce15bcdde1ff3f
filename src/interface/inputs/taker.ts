import { ConfigurationError } from '../../runtime/errors.ts';
import { askFor, nameInput, say, Wording } from '../../runtime/wording.ts';
import type { Input } from './input.ts';
import type { Operation } from './operations.ts';
import { type InputName, inputs, type ReadInput, type schema } from './schema.ts';
import { drillable } from './time-values.ts';
import { list, Problem } from './values.ts';

/* Takes inputs one after another, and reports everything that is wrong with them in one error. */

export type Parsed<N extends InputName> = ReturnType<(typeof schema)[N]['parse']>;
type Taken<N extends InputName> = (typeof schema)[N] extends { required: true } | { default: unknown }
  ? Parsed<N>
  : Parsed<N> | undefined;

/** A problem of one input. */
export interface Mistake {
  readonly name: InputName;
  readonly problem: Problem;
}

/** Takes the inputs of an operation one after another, and collects the problems of each. */
export class Taker {
  readonly operation: Operation;
  readonly mistakes: Mistake[] = [];
  readonly #read: ReadInput;

  constructor(operation: Operation, read: ReadInput) {
    this.operation = operation;
    this.#read = read;
  }

  take<N extends InputName>(name: N): Taken<N> {
    try {
      const input = inputs[name];
      const text = this.#read(name)?.trim() || defaultOf(name, this.operation);
      if (text !== undefined) return input.parse(text) as Taken<N>;
      if (isRequired(input, this.operation))
        throw new Problem(`is required for ${this.operation}`, say`${askFor(name, input.example ?? '')}`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.mistakes.push({ name, problem: error });
    }
    // Either the input may be absent, or the problem just noted is thrown before this value is used.
    return undefined as Taken<N>;
  }

  /** Takes an input that this operation can do without here, although it is required elsewhere. */
  takeOptional<N extends InputName>(name: N): Parsed<N> | undefined {
    return this.#read(name)?.trim() ? this.take(name) : undefined;
  }

  /** Refuses inputs that mean nothing beside another one. Those at their defaults count as not given. */
  refuseBeside(other: InputName, names: readonly InputName[]): void {
    for (const name of names) {
      const text = this.#read(name)?.trim();
      if (text && text !== defaultOf(name, this.operation))
        this.note(
          name,
          say`has no effect together with ${nameInput(other)}`,
          say`Leave it out, or ${nameInput(other)}.`,
        );
    }
  }

  note(name: InputName, message: string | Wording, remedy: string | Wording): void {
    this.mistakes.push({ name, problem: new Problem(message, remedy) });
  }

  /** @param words the words that an operation accepts in addition to an id */
  takeBackupId(words: readonly string[]): string {
    const id = this.take('backup-id');
    if (id === undefined) {
      if (!this.mistakes.some(({ name }) => name === 'backup-id'))
        this.note('backup-id', `is required for ${this.operation}`, 'Write an id; `list` shows them all.');
      return id;
    }
    const form = id.replace(/^before:.*/, 'before:<time>').replace(/^random:.*/, 'random:<interval>');
    if (!words.includes(form) && !/^\d/.test(id))
      this.note(
        'backup-id',
        `cannot be ${form} for ${this.operation}`,
        `Write ${list(['an id', ...words])}.`,
      );
    return id;
  }

  /** Takes the storage of one database, or the policy that names those of many: exactly one of them. */
  takeStorageOrPolicy(): { readonly storage: string | undefined; readonly policy: string | undefined } {
    const storage: string | undefined = this.take('storage');
    const policy: string | undefined = this.take('policy');
    if (storage !== undefined && policy !== undefined)
      this.note(
        'storage',
        say`cannot be given together with ${nameInput('policy')}`,
        say`Leave one out: ${nameInput('storage')} belongs to one database, ${nameInput('policy')} names the storages of all.`,
      );
    if (storage === undefined && policy === undefined && this.mistakes.length === 0)
      this.note(
        'storage',
        say`is required for ${this.operation}, unless ${nameInput('policy')} is given`,
        say`${askFor('storage', inputs.storage.example ?? '')} Or set ${nameInput('policy')}.`,
      );
    return { storage, policy };
  }

  /** Takes what is written, and for whom. A runbook without names would be of no use, nor would evidence. */
  takeReportKind() {
    const [kind, isPublic] = [this.take('kind'), this.take('public')];
    if (kind === 'runbook' && isPublic)
      this.note(
        'public',
        'cannot be used for a runbook, which names storages, tables and backups',
        'Leave it out, and keep the runbook where only your team can read it.',
      );
    if (kind === 'managed' && isPublic)
      this.note(
        'public',
        "cannot be used for a report on Supabase's own backups, which names project and storage",
        'Leave it out. A public dashboard shows both kinds of backups without these names.',
      );
    if (kind === 'compliance' && isPublic)
      this.note(
        'public',
        'cannot be used for audit evidence, which names people, locations and messages',
        'Leave it out, and give the files only to the people who need them.',
      );
    return { kind, isPublic };
  }

  /**
   * Takes the backup and the point in time. Changes can be replayed only on a backup that fits the time, not
   * on one that another rule has chosen.
   */
  takeRecoverable() {
    const backupId = this.takeBackupId(drillable);
    const recoveryTargetTime = this.take('recovery-target-time');
    if (recoveryTargetTime !== undefined && backupId !== undefined && !/^(latest$|\d)/.test(backupId))
      this.note(
        'backup-id',
        say`cannot be ${backupId.replace(/:.*/, '')} together with ${nameInput('recovery-target-time')}`,
        'Leave it out to use the best backup, or write an id.',
      );
    return { backupId, recoveryTargetTime };
  }

  /** Takes the time for a restore by the platform, which takes whole seconds, and no word for its newest. */
  takeWholeSecond(): string {
    const time: string | undefined = this.take('recovery-target-time');
    const isNoted = this.mistakes.some(({ name }) => name === 'recovery-target-time');
    if (time === undefined && !isNoted)
      this.note(
        'recovery-target-time',
        say`is required with ${nameInput('managed', 'true')}`,
        'Set it, for example to 2026-11-20T14:30:00Z; the operation `managed` shows the times that can be restored.',
      );
    if (time !== undefined && !/:\d\d\.0+Z$/.test(time))
      this.note(
        'recovery-target-time',
        say`${time === 'latest' ? 'cannot be latest' : 'has fractions of a second'} together with ${nameInput('managed')}`,
        'Write a time without fractions of a second, as in 2026-11-20T14:30:00Z.',
      );
    return time ?? '';
  }
}

export function toConfigurationError(operation: string, problems: readonly Mistake[]): ConfigurationError {
  const [only] = problems;
  if (only !== undefined && problems.length === 1) {
    return new ConfigurationError(
      say`${nameInput(only.name)}: ${only.problem.told.message}`,
      only.problem.told.remedy,
    );
  }
  const lines = problems.flatMap(({ name, problem: { told } }) => {
    const { parts } = say`\n- ${nameInput(name)}: ${told.message}. ${told.remedy}`;
    return parts;
  });
  return new ConfigurationError(
    new Wording([`${problems.length} inputs of ${operation} are wrong`, ...lines]),
    'Correct them all and run it again. Nothing was read or written.',
  );
}

/** Tells whether an operation cannot do without an input. */
export function isRequired({ required, requiredFor, optionalFor }: Input, operation: Operation): boolean {
  return requiredFor?.includes(operation) || (required === true && !optionalFor?.includes(operation));
}

/** Returns the value of an absent input for an operation; undefined when the input simply is absent. */
export function defaultOf(name: InputName, operation: Operation): string | undefined {
  const value = inputs[name].default;
  return typeof value === 'object' ? value[operation] : value;
}
