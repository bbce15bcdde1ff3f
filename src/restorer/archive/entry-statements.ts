import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { toolEnvironment } from '../../postgres/client/environment.ts';
import type { ClientTools } from '../../postgres/client/find.ts';
import { runTool } from '../../postgres/client/process.ts';
import { type ArchiveEntry, writeList } from '../../postgres/client/table-of-contents.ts';
import type { Context } from '../../runtime/context.ts';

/** The statements of an entry, as pg_restore would run them. */
export interface EntryStatements {
  readonly sql: string;
  /** ALTER … OWNER TO, which can fail separately; undefined where there is none */
  readonly owner: string | undefined;
}

/** The last of the settings that pg_restore prints first, in every version. */
const prelude = /^SET row_security = (?:on|off);$/m;
/** The comment above the statements. The names in it have no line breaks. */
const heading = /^--\n-- Name: [^\n]*\n--\n+/m;
const ending = '\n--\n-- PostgreSQL database dump complete\n--';
const setOwner = /\n(ALTER (?:[^;"]|"[^"]*")+ OWNER TO (?:[^;"]|"[^"]*")+;)\s*$/;

/**
 * Has pg_restore print the statements of one entry, which must not hold data.
 *
 * @throws ToolError when pg_restore cannot read the archive
 */
export async function readStatements(
  client: ClientTools,
  archive: string,
  entry: ArchiveEntry,
  context: Context,
): Promise<EntryStatements> {
  const list = path.join(context.temporaryFolder, `statements-${entry.id}.list`);
  writeFileSync(list, writeList([entry]), { mode: 0o600 });
  const args = [`--use-list=${list}`, '--no-tablespaces', '--file=-', archive];
  const { stdout } = await runTool(client.pgRestore, args, {
    env: toolEnvironment(context.env),
    signal: context.signal,
  });
  return splitScript(stdout);
}

/** Exported for its tests. */
export function splitScript(script: string): EntryStatements {
  const begin = prelude.exec(script);
  const end = script.lastIndexOf(ending);
  if (begin === null || end < begin.index) throw new Error('pg_restore printed no script');
  const body = script.slice(begin.index + begin[0].length, end).replace(heading, '');
  const owner = setOwner.exec(body);
  return owner === null
    ? { sql: body.trim(), owner: undefined }
    : { sql: body.slice(0, owner.index).trim(), owner: owner[1] };
}
