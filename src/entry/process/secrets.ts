import { decode, parseDatabaseUrl } from '../../interface/inputs/database-values.ts';
import { identityLines } from '../../interface/inputs/key-values.ts';
import { inputNames, inputs, type ReadInput } from '../../interface/inputs/schema.ts';
import { parseWebhook } from '../../interface/inputs/values.ts';
import { findPassFile, findServiceFiles, readPassFile, readServices } from '../../postgres/session/files.ts';

/**
 * Every text that must not be printed, longest first, from the raw inputs: they are masked before anything is parsed, so that
 * even a message about a wrong input is safe. A runner's masker does not decode URLs, so passwords are listed in both forms.
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
    } else {
      secrets.add(text);
      if (inputs[name].parse === parseWebhook) for (const path of pathsIn(text)) secrets.add(path);
    }
  }
  for (const variable of secretVariables) {
    const text = env[variable]?.trim();
    if (text && !(variable === 'PGPASSWORD' && everyday.has(text))) secrets.add(text);
  }
  for (const secret of secretsOfProxies(env)) secrets.add(secret);
  for (const password of passwordsInFiles(read, env)) if (!everyday.has(password)) secrets.add(password);
  return [...secrets].sort((a, b) => b.length - a.length);
}

/** Of the pass file and the services of libpq, those that URLs name and those in their usual places */
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

/** What other programs take from the environment, and so do we or a library of ours */
const secretVariables = [
  'PGPASSWORD',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'ACTIONS_RUNTIME_TOKEN',
  'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
  'GITHUB_TOKEN',
];

/** What opens a proxy, in either form; a user without a password is a token. Libraries of ours read the third variable, too. */
function secretsOfProxies(env: NodeJS.ProcessEnv): readonly string[] {
  return Object.entries(env).flatMap(([name, text = '']) => {
    const [, user = '', password] =
      /^(?:[a-z][a-z\d+.-]*:\/\/)?([^:/@]*)(?::(.*))?@/is.exec(text.trim()) ?? [];
    const secret = password || user;
    if (!/^(https?|all)_proxy$/i.test(name) || secret === '' || everyday.has(secret)) return [];
    return [secret, decode(secret) ?? secret];
  });
}

/** Whoever knows the path of a webhook may write there, and servers that refuse quote it without the host. */
function pathsIn(url: string): readonly string[] {
  if (!URL.canParse(url)) return [];
  const { pathname, search } = new URL(url);
  // A short one is no secret, and stands in many another address.
  return [pathname + search, pathname].filter((path) => path.length >= 12);
}

/**
 * Passwords of throwaway servers, and the one that Supabase's own images ship. They protect nothing, and where such a word is masked, logs
 * are starred all over, and a runner drops every output that holds it.
 */
const everyday: ReadonlySet<string> = new Set(['postgres', 'supabase', 'password', 'throwaway', 'test']);

/** Works on texts that are no valid URL, too: a password that breaks the URL is the usual mistake. */
function passwordsIn(url: string): readonly string[] {
  const [, user, encoded] = /^[a-z]+:\/\/([^:/@]*):(.*)@/is.exec(url) ?? [];
  const inQuery = Array.from(url.matchAll(/[?&](?:ssl)?password=([^&]*)/gi), ([, value]) => value);
  // A string of libpq, which is no URL and will be refused as such.
  const inPairs = Array.from(
    url.matchAll(/(?:^|\s)(?:ssl)?password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))/gi),
    ([, quoted, plain]) => plain ?? quoted?.replace(/\\(.)/g, '$1'),
  );
  const database = /^[a-z]+:\/\/[^/]*\/([^?]*)/i.exec(url)?.[1];
  return [encoded, ...inQuery, ...inPairs].flatMap((password) => {
    // A password that is the user's or the database's name protects nothing, and masking it would star the name wherever it stands.
    if (!password || password === user || password === database || everyday.has(password)) return [];
    return [password, decode(password) ?? password];
  });
}
