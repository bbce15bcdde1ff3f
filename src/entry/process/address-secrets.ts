import { decode } from '../../interface/inputs/database-values.ts';

/** A shorter part of an address is no secret, and occurs in many other words. */
const shortest = 8;

/**
 * What addresses of services hold that is no secret, in small letters, and the words of our own reports, which a
 * topic may be called by. All else that is long enough is taken for one.
 */
const plainWords: ReadonlySet<string> = new Set(
  `alert alerts api app automations backup backups beat bot callback callbacks channel channels check checks database
  direct discord enqueue event events fail github healthcheck healthchecks heartbeat heartbeats hook hooks incident
  incidents incoming incomingwebhook integration integrations invoke manual message messages monitor monitoring
  monitors notification notifications notify paths ping postgres powerautomate production push receive repository
  restore rooms send sendmessage service services slack start staging status success supabase supabase-backup teams
  telegram trigger triggers uptime webhook webhookb2 webhooks workflow workflows`.split(/\s+/),
);

/**
 * Lists the parts of the address of a webhook that must not be printed, encoded and decoded. Anyone who knows them
 * may write there, and servers that refuse a request quote some of them: the path, a token in it, a value.
 */
export function secretsOfAddress(address: string): readonly string[] {
  if (!URL.canParse(address)) return [];
  const { href, username, password, pathname, search } = new URL(address);
  const segments = pathname.split('/');
  const path = pathname.replace(/\/+$/, '');
  const whole = segments.every(isPlain) ? [] : [pathname, path].filter(isLong);
  const parts = [...segments, ...valuesOf(search)].flatMap((part) => [part, ...piecesOf(part)]);
  return [
    ...[href, ...loginOf(username, password)],
    ...(search === '' ? [] : [pathname + search, path + search].filter(isLong)),
    ...[...whole, ...parts.filter((part) => isLong(part) && !isPlain(part))].flatMap(bothForms),
  ];
}

/** Lists what a login is in an address, in a header and to a person. A user without a password is a token. */
export function loginOf(user: string, password: string): readonly string[] {
  if (password === '') return user === '' ? [] : bothForms(user);
  const pair = [user, password].map((text) => decode(text) ?? text).join(':');
  const encoded = Buffer.from(pair).toString('base64');
  return [...bothForms(password), `${user}:${password}`, pair, encoded, encoded.replace(/=+$/, '')];
}

/** Lists the values of a query as they are written. A name without a value is one. */
function valuesOf(search: string): readonly string[] {
  return search
    .slice(1)
    .split('&')
    .map((pair) => pair.replace(/^[^=]*=(?=.)/, ''));
}

/** Lists what stands between signs in a part, as the number and the token of a bot do. */
function piecesOf(part: string): readonly string[] {
  return (decode(part) ?? part).split(/[:;,=@/]/);
}

function bothForms(text: string): readonly string[] {
  return [text, decode(text) ?? text];
}

function isLong(text: string): boolean {
  return text.length >= shortest;
}

function isPlain(text: string): boolean {
  return text === '' || /^v\d+$/i.test(text) || plainWords.has(text.toLowerCase());
}
