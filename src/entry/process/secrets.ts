import { secretsOfCopies } from '../../interface/inputs/copies-values.ts';
import { decode, parseDatabaseUrl } from '../../interface/inputs/database-values.ts';
import { identityLines } from '../../interface/inputs/key-values.ts';
import { parseMailServer } from '../../interface/inputs/mail-values.ts';
import { inputNames, inputs, type ReadInput } from '../../interface/inputs/schema.ts';
import { parseWebhook } from '../../interface/inputs/values.ts';
import { findPassFile, findServiceFiles, readPassFile, readServices } from '../../postgres/session/files.ts';
import { loginOf, secretsOfAddress } from './address-secrets.ts';
import { secretsOfPolicy } from './policy-secrets.ts';

/**
 * Lists every text that must not be printed, longest first, from the raw inputs. They are masked before
 * anything is parsed, so that even a message about a wrong input is safe. A runner's masker does not decode
 * URLs, so passwords are listed in both forms.
 */
export function listSecrets(read: ReadInput, env: NodeJS.ProcessEnv): readonly string[] {
  const secrets = new Set<string>();
  for (const name of inputNames.filter((name) => inputs[name].secret)) {
    const text = read(name)?.trim();
    if (!text) continue;
    if (inputs[name].parse === parseDatabaseUrl) {
      secrets.add(text);
      for (const password of passwordsIn(text)) secrets.add(password);
    } else if (name === 'encryption-identity') {
      for (const line of identityLines(text)) secrets.add(line);
    } else if (name === 'copies') {
      for (const secret of secretsOfCopies(text)) secrets.add(secret);
    } else {
      secrets.add(text);
      if (inputs[name].parse === parseMailServer) for (const form of passwordOfMail(text)) secrets.add(form);
      if (inputs[name].parse === parseWebhook)
        for (const part of secretsOfAddress(text)) if (!everyday.has(part)) secrets.add(part);
    }
  }
  for (const variable of secretVariables) {
    const text = env[variable]?.trim();
    if (text && !(variable === 'PGPASSWORD' && everyday.has(text))) secrets.add(text);
  }
  for (const secret of secretsOfProxies(env)) secrets.add(secret);
  for (const secret of secretsOfPolicy(read, env)) secrets.add(secret);
  for (const password of passwordsInFiles(read, env)) if (!everyday.has(password)) secrets.add(password);
  return [...secrets].sort((a, b) => b.length - a.length);
}

/**
 * Reads the passwords in libpq's password files and service files: those that URLs name, and those at their
 * usual paths.
 */
function passwordsInFiles(read: ReadInput, env: NodeJS.ProcessEnv): readonly string[] {
  const urls = inputNames
    .filter((name) => inputs[name].parse === parseDatabaseUrl)
    .map((name) => read(name) ?? '');
  const named = (parameter: string) =>
    urls.flatMap((url) =>
      Array.from(
        url.matchAll(new RegExp(`[?&]${parameter}=([^&]*)`, 'g')),
        ([, value = '']) => decode(value) ?? value,
      ),
    );
  const passFiles = [findPassFile(env), ...named('passfile')];
  const serviceFiles = [...findServiceFiles(env), ...named('servicefile')];
  const services = serviceFiles.flatMap((file) => [...readServices(file).values()]);
  return [
    ...[...passFiles, ...services.flatMap((service) => service.get('passfile') ?? [])].flatMap((file) =>
      readPassFile(file).map(({ password }) => password),
    ),
    ...services.flatMap((service) => [service.get('password'), service.get('sslpassword')]),
  ].filter((password) => password !== undefined);
}

/** Variables with secrets that this tool or one of its libraries reads, and other programs use too. */
const secretVariables = [
  'PGPASSWORD',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'ACTIONS_RUNTIME_TOKEN',
  'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
  'GITHUB_TOKEN',
  'SUPABASE_ACCESS_TOKEN',
];

/**
 * Lists the passwords of proxies, encoded and decoded. A user without a password is a token. Libraries also
 * read the third variable, ALL_PROXY.
 */
function secretsOfProxies(env: NodeJS.ProcessEnv): readonly string[] {
  return Object.entries(env).flatMap(([name, text = '']) => {
    const [, user = '', password] =
      /^(?:[a-z][a-z\d+.-]*:\/\/)?([^:/@]*)(?::(.*))?@/is.exec(text.trim()) ?? [];
    const secret = password || user;
    if (!/^(https?|all)_proxy$/i.test(name) || secret === '' || everyday.has(secret)) return [];
    return [secret, decode(secret) ?? secret];
  });
}

/** Lists the login of a mail server in all its forms. With a token of a relay the user is the password, too. */
function passwordOfMail(url: string): readonly string[] {
  const [, user = '', password = ''] = /^[a-z]+:\/\/([^:/@]*):(.*)@/is.exec(url) ?? [];
  return password === '' ? [] : loginOf(user, password);
}

/**
 * Passwords of short-lived servers, and the one of Supabase's own images. They protect nothing. Masking such
 * a word would fill logs with asterisks, and a runner drops every output that contains it.
 */
const everyday: ReadonlySet<string> = new Set(['postgres', 'supabase', 'password', 'throwaway', 'test']);

/**
 * Lists the passwords in a database URL, also in an invalid one: a password that breaks the URL is the usual
 * mistake.
 */
function passwordsIn(url: string): readonly string[] {
  const [, user, encoded] = /^[a-z]+:\/\/([^:/@]*):(.*)@/is.exec(url) ?? [];
  const inQuery = Array.from(url.matchAll(/[?&](?:ssl)?password=([^&]*)/gi), ([, value]) => value);
  // A connection string of libpq is not a URL and will be refused, but its password is masked.
  const inPairs = Array.from(
    url.matchAll(/(?:^|\s)(?:ssl)?password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))/gi),
    ([, quoted, plain]) => plain ?? quoted?.replace(/\\(.)/g, '$1'),
  );
  const database = /^[a-z]+:\/\/[^/]*\/([^?]*)/i.exec(url)?.[1];
  return [encoded, ...inQuery, ...inPairs].flatMap((password) => {
    // A password equal to the name of the user or the database protects nothing, and masking it would hide
    // the name everywhere.
    if (!password || password === user || password === database || everyday.has(password)) return [];
    return [password, decode(password) ?? password];
  });
}
