import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { findRemedy, isIgnored, isUsed, type UsedParameter } from './parameters.ts';

const form = 'postgresql://USER:PASSWORD@HOST:5432/DATABASE';

/** One host, or several separated by commas, each with or without a port. */
const hosts = String.raw`(?:\[[^\]]+\]|[^:/?#@,]*)(?::\d*)?`;
const pattern = new RegExp(
  String.raw`^postgres(?:ql)?:\/\/(?:(?<user>[^:@/?#]*)(?::(?<password>[^@/?#]*))?@)?(?<hosts>${hosts}(?:,${hosts})*)` +
    String.raw`(?:\/(?<dbname>[^?#/@]*))?(?:\?(?<query>[^#]*))?$`,
);

/**
 * Reads the parameters of a connection URL, decoded, by their names in libpq. Several hosts or ports are one
 * value with commas, as in libpq.
 *
 * @throws ConfigurationError that names the input and never repeats the URL
 */
export function readUrl(input: string, url: string): Map<UsedParameter, string> {
  const wrong = (
    what: string,
    next = `Give it as ${form}, with special characters in the password percent-encoded.`,
  ): never => {
    throw new ConfigurationError(say`${nameInput(input)}: ${what}`, next);
  };
  if (!/^postgres(ql)?:\/\//.test(url.trim())) wrong('it does not start with postgresql://');
  const parts = pattern.exec(url.trim())?.groups;
  if (!parts) {
    return wrong('it is not a URL (a password with the characters @ : / # ? or % must be percent-encoded)');
  }
  const parameters = new Map<UsedParameter, string>();
  const decode = (name: string, part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      return wrong(`its ${name} has a % that starts no percent-encoded character`);
    }
  };
  for (const name of ['user', 'password', 'dbname'] as const) {
    const part = parts[name];
    if (part) parameters.set(name, decode(name, part));
  }
  for (const [name, list] of Object.entries(splitHosts(parts.hosts ?? ''))) {
    if (list.some((part) => part !== ''))
      parameters.set(name as UsedParameter, list.map((part) => decode(name, part)).join(','));
  }
  // URLSearchParams would decode a plus as a space; libpq does not.
  for (const parameter of (parts.query ?? '').split('&').filter((text) => text !== '')) {
    const [, name = '', value = ''] = /^([A-Za-z_]+)=(.*)$/s.exec(parameter) ?? [];
    if (isIgnored(name)) continue;
    if (isUsed(name)) {
      parameters.set(name, decode(name, value));
      continue;
    }
    // JDBC's spelling of sslmode=require.
    if (name === 'ssl' && value === 'true') {
      parameters.set('sslmode', 'require');
      continue;
    }
    const remedy = findRemedy(name);
    if (remedy !== undefined) wrong(`the parameter ${name} is not supported`, remedy);
    // A `?` inside a password makes its rest look like parameters, so the message repeats no name then.
    const isName = name !== '' && !parts.query?.includes('@');
    wrong(
      isName ? `there is no parameter ${JSON.stringify(name)}` : 'there are no parameters after its ?',
      isName
        ? 'Correct its name. The parameters of libpq are supported (PostgreSQL manual, 34.1.2).'
        : undefined,
    );
  }
  return parameters;
}

function splitHosts(text: string): { host: string[]; port: string[] } {
  const all = text.split(',').map((one) => /^(?<host>\[[^\]]+\]|[^:]*)(?::(?<port>\d*))?$/.exec(one)?.groups);
  return {
    host: all.map((one) => (one?.host ?? '').replace(/^\[|\]$/g, '')),
    port: all.map((one) => one?.port ?? ''),
  };
}
