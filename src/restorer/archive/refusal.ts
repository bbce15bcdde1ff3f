import { createQuoteFilter } from '../../postgres/client/process.ts';
import { raisedWords, withoutValue } from '../../runtime/errors.ts';

/**
 * What pg_restore reported about an entry, or a part of one, that the server refused, before it went on with
 * the next.
 */
export interface Refusal {
  /** Id of the entry in the table of contents */
  readonly id: number;
  /**
   * `object`: it was not created. `owner`: it was created, and belongs to the role that created it.
   * `setting`: the server lacks a tablespace or an access method that the entry asks for, and the entry is
   * created without it.
   */
  readonly concerns: 'object' | 'owner' | 'setting';
  /** The server's message; for a setting the missing thing, such as `tablespace fast` */
  readonly message: string;
  readonly hint: string | undefined;
  /** Set where `concerns` is `setting` */
  readonly missing?: MissingSetting;
}

/** A tablespace or an access method that an entry asks for and the server lacks. */
export interface MissingSetting {
  readonly type: 'tablespace' | 'access method';
  readonly name: string;
}

const owned = /^Command was: ALTER (?:[^;"]|"[^"]*")+ OWNER TO (?:[^;"]|"[^"]*")+;\s*$/m;
/**
 * The innermost frame, where a function raised the error itself. The last word is the same in all languages
 * of the server.
 */
const raised = /^CONTEXT: .* (?:RAISE|ASSERT)$/m;
/** Errors of class 22 (data exception) by their English texts: pg_restore does not pass SQLSTATE codes on. */
const aboutData =
  /^(?:invalid input |malformed |value ".*" is out of range|date\/time field value out of range)/;
const labels = /^(?:DETAIL|HINT|QUERY|CONTEXT|STATEMENT|LOCATION|LINE \d+|Command was): ?/;

type Complaint =
  | { readonly kind: 'refusal'; readonly refusal: Refusal }
  | { readonly kind: 'failure'; readonly message: string }
  /**
   * About a setting that pg_restore changes for itself, such as transaction_timeout, which older servers do
   * not know
   */
  | { readonly kind: 'own' };

/**
 * Reads the messages of pg_restore --verbose without --exit-on-error, line by line. Its own messages have to
 * be in English (LC_ALL=C); the server's may be in any language. A statement that pg_restore quotes may
 * contain lines that look like its messages. pg_restore reports at its end how many errors there were: when
 * more were read, those behind a quoted statement are taken for parts of it.
 */
export class RefusalReader {
  readonly #complaints: { readonly complaint: Complaint; readonly mayBeQuoted: boolean }[] = [];
  #entry: number | undefined;
  #error: string[] | undefined;
  #mayBeQuoted = false;
  /** The number of errors that pg_restore reports at its end; undefined when it did not get there */
  #count: number | undefined;

  /** In the order in which the entries were tried */
  get refusals(): Refusal[] {
    return this.#believed().flatMap((complaint) => (complaint.kind === 'refusal' ? complaint.refusal : []));
  }

  /**
   * Why pg_restore could not do its work at all: the connection was lost, the server went down, the archive
   * cannot be read
   */
  get failure(): string | undefined {
    return this.#believed().find((complaint) => complaint.kind === 'failure')?.message;
  }

  #believed(): Complaint[] {
    const isForged = this.#count !== undefined && this.#complaints.length > this.#count;
    return this.#complaints
      .filter(({ mayBeQuoted }) => !(isForged && mayBeQuoted))
      .map(({ complaint }) => complaint);
  }

  read(line: string): void {
    if (!line.startsWith('pg_restore: ')) {
      // The statement that failed comes last, and may be long.
      if (this.#error !== undefined && this.#error.length < 100) this.#error.push(line);
      return;
    }
    const before = this.#error;
    this.end();
    const [, id] = /^pg_restore: from TOC entry (\d+); /.exec(line) ?? [];
    if (id !== undefined) this.#entry = Number(id);
    if (/^pg_restore: while (?:INITIALIZING|FINALIZING)/.test(line)) this.#entry = undefined;
    const [, count] = /^pg_restore: warning: errors ignored on restore: (\d+)$/.exec(line) ?? [];
    if (count !== undefined) this.#count = Number(count);
    const [, error] = /^pg_restore: error: (.*)$/s.exec(line) ?? [];
    if (error === undefined) return;
    this.#error = [error];
    const isBehindStatement = before?.some((part) => part.startsWith('Command was: ')) ?? false;
    this.#mayBeQuoted = isBehindStatement || (before !== undefined && this.#mayBeQuoted);
  }

  /** Completes the message that is being read. To be called after the last line. */
  end(): void {
    const lines = this.#error;
    this.#error = undefined;
    if (lines === undefined) return;
    this.#complaints.push({ complaint: this.#explain(lines), mayBeQuoted: this.#mayBeQuoted });
  }

  #explain(lines: readonly string[]): Complaint {
    const text = lines.join('\n');
    const [, what = '', severity, first] = /^(.*?): (\S+): {2}(.*)$/m.exec(lines[0] ?? '') ?? [];
    if (first === undefined || severity === 'FATAL' || severity === 'PANIC') {
      return { kind: 'failure', message: lines.filter(createQuoteFilter()).join('\n').trim() };
    }
    if (this.#entry === undefined) return { kind: 'own' };
    const id = this.#entry;
    const end = lines.findIndex((line) => labels.test(line));
    const more = lines.slice(1, end < 0 ? lines.length : end);
    const hint = lines
      .filter(createQuoteFilter())
      .find((line) => line.startsWith('HINT:  '))
      ?.slice('HINT:  '.length);
    const [, setting] =
      /^could not (?:set "?default_|alter )(tablespace|table[_ ]access[_ ]method)/.exec(what) ?? [];
    if (setting !== undefined) {
      // invalid value for parameter "default_tablespace": "fast"
      const [, name = ''] = /"([^"]*)"[^"]*$/.exec(first) ?? [];
      const type = setting === 'tablespace' ? 'tablespace' : 'access method';
      const missing = { type, name } as const;
      return {
        kind: 'refusal',
        refusal: { id, concerns: 'setting', message: `${type} ${name}`, hint, missing },
      };
    }
    const concerns = owned.test(text) ? 'owner' : 'object';
    if (raised.test(text))
      return { kind: 'refusal', refusal: { id, concerns, message: raisedWords, hint: undefined } };
    const words = [first, ...more].join(' ').trim();
    const message = what.startsWith('COPY failed') || aboutData.test(words) ? withoutValue(words) : words;
    return { kind: 'refusal', refusal: { id, concerns, message, hint } };
  }
}
