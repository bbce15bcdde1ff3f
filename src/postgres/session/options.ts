/** One setting of a session, given as `-c name=value`. */
export interface ConnectionOption {
  readonly name: string;
  readonly value: string;
}

/**
 * Parses libpq's `options`: command-line arguments of a server process, in which a backslash escapes white
 * space and backslashes (pg_split_opts in PostgreSQL's postinit.c).
 *
 * @returns undefined when an argument is not `-c name=value` or `--name=value`: only the server itself can
 *   take others
 */
export function parseOptions(text: string): ConnectionOption[] | undefined {
  const words = (text.match(/(?:\\.|[^\s\\])+/gs) ?? []).map((word) => word.replace(/\\(.)/gs, '$1'));
  const options: ConnectionOption[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    const assignment = word === '-c' ? words[++index] : /^(?:-c|--)(.+)$/s.exec(word)?.[1];
    const [, name, value] = /^([A-Za-z_][\w.$-]*)=(.*)$/s.exec(assignment ?? '') ?? [];
    if (name === undefined || value === undefined) return undefined;
    // PostgreSQL accepts `--statement-timeout` for `statement_timeout`.
    options.push({ name: name.replaceAll('-', '_'), value });
  }
  return options;
}
