import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

/** One line of a pass file (PostgreSQL manual 34.16). */
interface PassEntry {
  readonly host: string;
  readonly port: string;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/** The path where libpq looks for the pass file, unless one is named. */
export function findPassFile(env: NodeJS.ProcessEnv, named?: string): string {
  return named ?? (env.PGPASSFILE || path.join(homeOf(env), '.pgpass'));
}

/**
 * Reads the pass file. The list is empty when the file is missing, or when group or others have access to it:
 * libpq ignores it then.
 */
export function readPassFile(file: string): PassEntry[] {
  const text = readText(file, { alone: true });
  if (text === undefined) return [];
  return text.split(/\r?\n/).flatMap((line) => {
    if (line.startsWith('#')) return [];
    const fields = (passLine.exec(line) ?? []).slice(1).map((field) => field.replace(/\\(.)/gs, '$1'));
    const [host = '', port = '', database = '', user = '', password = ''] = fields;
    return password === '' ? [] : [{ host, port, database, user, password }];
  });
}

/** Four fields, in which a backslash escapes a colon or a backslash, and the rest of the line. */
const passLine = /^((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):(.*)$/s;

/** The password of the first matching line, as in libpq. */
export function findPassword(
  entries: readonly PassEntry[],
  wanted: { host: string; port: number; database: string; user: string },
): string | undefined {
  // libpq matches a socket in its default folder as `localhost`.
  const host = /^\/(?:tmp|(?:var\/)?run\/postgresql)$/.test(wanted.host) ? 'localhost' : wanted.host;
  const fits = (field: string, value: string) => field === '*' || field === value;
  return entries.find(
    (entry) =>
      fits(entry.host, host) &&
      fits(entry.port, String(wanted.port)) &&
      fits(entry.database, wanted.database) &&
      fits(entry.user, wanted.user),
  )?.password;
}

/** The files in which libpq looks for services, in its order (PostgreSQL manual 34.17). */
export function findServiceFiles(env: NodeJS.ProcessEnv, named?: string): string[] {
  const own = named ?? (env.PGSERVICEFILE || path.join(homeOf(env), '.pg_service.conf'));
  return env.PGSYSCONFDIR ? [own, path.join(env.PGSYSCONFDIR, 'pg_service.conf')] : [own];
}

/** The parameters of a service; undefined when no file defines it. */
export function readService(files: readonly string[], service: string): Map<string, string> | undefined {
  for (const file of files) {
    const found = readServices(file).get(service);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** All services of a file by name; empty when there is no such file. */
export function readServices(file: string): Map<string, Map<string, string>> {
  const services = new Map<string, Map<string, string>>();
  let current: Map<string, string> | undefined;
  for (const line of (readText(file) ?? '').split('\n').map((text) => text.trim())) {
    const [, name] = /^\[(.*)\]$/.exec(line) ?? [];
    if (name !== undefined) {
      // The first of two services with one name counts.
      current = services.has(name) ? undefined : new Map();
      if (current !== undefined) services.set(name, current);
    } else if (!line.startsWith('#')) {
      const [, parameter, value] = /^([^=]+)=(.*)$/.exec(line) ?? [];
      if (parameter !== undefined && value !== undefined) current?.set(parameter, value);
    }
  }
  return services;
}

function readText(file: string, { alone = false } = {}): string | undefined {
  try {
    if (alone && (statSync(file).mode & 0o077) !== 0) return undefined;
    return readFileSync(file, 'utf8');
  } catch {
    // libpq, too, treats an unreadable file as missing.
    return undefined;
  }
}

/** The user's home; a folder that nobody has for a number without a name, as containers give to processes. */
export function homeOf(env: NodeJS.ProcessEnv): string {
  if (env.HOME) return env.HOME;
  try {
    return homedir();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SYSTEM_ERROR') throw error;
    return '/nonexistent';
  }
}
