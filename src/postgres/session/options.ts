/** A setting of a session, as `-c name=value` names it. */
export interface ConnectionOption {
  readonly name: string;
  readonly value: string;
}

/**
 * Reads libpq's `options`: command-line arguments of a server process, with a backslash before white space and backslashes that are part of
 * one (pg_split_opts in PostgreSQL's postinit.c).
 *
 * @returns undefined where there is another one than `-c name=value` or `--name=value`, which only the server itself can take
 */
export function parseOptions(text: string): ConnectionOption[] | undefined {
  const words = (text.match(/(?:\\.|[^\s\\])+/gs) ?? []).map((word) => word.replace(/\\(.)/gs, '$1'));
  const options: ConnectionOption[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    const assignment = word === '-c' ? words[++index] : /^(?:-c|--)(.+)$/s.exec(word)?.[1];
    const [, name, value] = /^([A-Za-z_][\w.$-]*)=(.*)$/s.exec(assignment ?? '') ?? [];
    if (name === undefined || value === undefined) return undefined;
    // `--statement-timeout` is written for `statement_timeout`.
    options.push({ name: name.replaceAll('-', '_'), value });
  }
  return options;
}
