import { createQuoteFilter } from '../postgres/process.ts';

/** What pg_restore said of an entry that the server refused, or of a part of it, before it went on with the next. */
export interface Refusal {
  /** The entry's, in the table of contents */
  readonly id: number;
  /**
   * `object`: it is not there. `owner`: it is there and belongs to who made it. `setting`: the server does not have what the entry asks
   * for, a tablespace or an access method, and the entry comes without it.
   */
  readonly concerns: 'object' | 'owner' | 'setting';
  /** The server's words; for a setting what it should have been, as `tablespace fast` */
  readonly message: string;
  readonly hint: string | undefined;
}

const owned = /^Command was: ALTER (?:[^;"]|"[^"]*")+ OWNER TO (?:[^;"]|"[^"]*")+;\s*$/m;
const labels = /^(?:DETAIL|HINT|CONTEXT|LINE \d+|Command was): /;

/**
 * Reads the messages of pg_restore --verbose that runs without --exit-on-error, line by line. Its own words have to be English
 * (LC_ALL=C); those of the server may not be.
 */
export class RefusalReader {
  /** In the order in which the entries were tried */
  readonly refusals: Refusal[] = [];
  /** Why pg_restore could not do its work at all: the connection was lost, the server went down, the archive cannot be read */
  failure: string | undefined;
  #entry: number | undefined;
  #error: string[] | undefined;

  read(line: string): void {
    if (!line.startsWith('pg_restore: ')) {
      // What it tried comes last and may be long.
      if (this.#error !== undefined && this.#error.length < 100) this.#error.push(line);
      return;
    }
    this.end();
    const [, id] = /^pg_restore: from TOC entry (\d+); /.exec(line) ?? [];
    if (id !== undefined) this.#entry = Number(id);
    if (/^pg_restore: while (?:INITIALIZING|FINALIZING)/.test(line)) this.#entry = undefined;
    const [, error] = /^pg_restore: error: (.*)$/s.exec(line) ?? [];
    if (error !== undefined) this.#error = [error];
  }

  /** To be called when there are no more lines */
  end(): void {
    const lines = this.#error;
    this.#error = undefined;
    if (lines === undefined) return;
    const text = lines.join('\n');
    const [, what = '', severity, first] = /^(.*?): (\S+): {2}(.*)$/m.exec(lines[0] ?? '') ?? [];
    if (first === undefined || severity === 'FATAL' || severity === 'PANIC') {
      this.failure ??= lines.filter(createQuoteFilter()).join('\n').trim();
      return;
    }
    // A setting of newer servers that pg_restore switches off for its own sake, such as transaction_timeout.
    if (this.#entry === undefined) return;
    const more = lines.slice(1, (lines.findIndex((line) => labels.test(line)) + 1 || lines.length + 1) - 1);
    const hint = lines.find((line) => line.startsWith('HINT:  '))?.slice('HINT:  '.length);
    const [, setting] =
      /^could not (?:set "?default_|alter )(tablespace|table[_ ]access[_ ]method)/.exec(what) ?? [];
    if (setting !== undefined) {
      // invalid value for parameter "default_tablespace": "fast"
      const [, value = ''] = /"([^"]*)"[^"]*$/.exec(first) ?? [];
      const message = `${setting === 'tablespace' ? 'tablespace' : 'access method'} ${value}`;
      this.refusals.push({ id: this.#entry, concerns: 'setting', message, hint });
      return;
    }
    const concerns = owned.test(text) ? 'owner' : 'object';
    this.refusals.push({ id: this.#entry, concerns, message: [first, ...more].join(' ').trim(), hint });
  }
}
