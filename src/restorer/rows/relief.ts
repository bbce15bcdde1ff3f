import type { TableEntry } from '../../format/manifest.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { setSearchPath } from '../../postgres/session/output-settings.ts';
import type { ServerError } from '../../postgres/session/server-error.ts';
import { refusalOf } from '../../postgres/session/server-error.ts';
import { sqlState } from '../../postgres/sqlstate.ts';
import type { SearchPaths } from '../search-paths.ts';
import type { ChecksAside } from './set-aside.ts';

/**
 * Tries, one after another, what may help rows of a table that the server refuses: dropping the check that
 * refuses them; a search_path of the source, with which functions find what they name; dropping all checks of
 * the table.
 */
export class RowRelief {
  readonly #session: Session;
  readonly #table: TableEntry;
  readonly #checks: ChecksAside;
  readonly #searchPaths: SearchPaths;
  readonly #paths: string[];
  #path = '';
  /** Checks that any loader had dropped when the current attempt began */
  #seen: number;
  #hasAllChecks = false;
  /** The server's first message */
  #why: string | undefined;

  constructor(session: Session, table: TableEntry, checks: ChecksAside, searchPaths: SearchPaths) {
    this.#session = session;
    this.#table = table;
    this.#checks = checks;
    this.#searchPaths = searchPaths;
    this.#paths = [...searchPaths.candidates];
    this.#seen = checks.taken;
  }

  /** Why the server refused the rows, once nothing helps. */
  get why(): string {
    return this.#why ?? '';
  }

  /** @returns whether another try may succeed */
  async helps(error: ServerError): Promise<boolean> {
    this.#why ??= refusalOf(error);
    const helped = await this.#tryNext(error);
    // Loaders of other parts of the table, or of other partitions, meet the same checks, and the first drops
    // them for all.
    const helpedByOthers = this.#checks.taken !== this.#seen;
    this.#seen = this.#checks.taken;
    return helped || helpedByOthers;
  }

  async #tryNext(error: ServerError): Promise<boolean> {
    if (
      error.code === sqlState.checkViolation &&
      error.constraint !== undefined &&
      (await this.#takeChecks(error))
    )
      return true;
    const path = error.code === sqlState.checkViolation ? undefined : this.#paths.shift();
    if (path !== undefined) {
      await setSearchPath(this.#session, path);
      this.#path = path;
      this.#searchPaths.needed = path;
      return true;
    }
    if (this.#hasAllChecks) return false;
    this.#hasAllChecks = true;
    return this.#takeChecks(undefined);
  }

  /** Resets the search_path of the session. */
  async end(): Promise<void> {
    if (this.#path !== '') await setSearchPath(this.#session, '');
  }

  async #takeChecks(error: ServerError | undefined): Promise<boolean> {
    const { schema = this.#table.schema, table: name = this.#table.name } = error ?? {};
    const table = error?.dataType === undefined ? { schema, name } : this.#table;
    // With an empty search_path the server prints checks with qualified names, as a later session needs them.
    await this.end();
    try {
      return await this.#checks.take(this.#session, table, error);
    } catch (refused) {
      this.#why = `${this.#why}; its checks could not be taken away: ${refusalOf(refused)}`;
      return false;
    } finally {
      if (this.#path !== '') await setSearchPath(this.#session, this.#path);
    }
  }
}
