import { describe, expect, it } from 'vitest';
import { listSecrets } from '../../../src/entry/process/secrets.ts';
import { parseAlarms } from '../../../src/interface/inputs/alarms.ts';
import {
  parseMailServer,
  parseRecipientsOfMail,
  parseSender,
} from '../../../src/interface/inputs/mail-values.ts';
import type { InputName } from '../../../src/interface/inputs/schema.ts';

const alarmsOf = (given: Partial<Record<InputName, string>>) => parseAlarms((name) => given[name]);

describe('the address of a mail server', () => {
  it('says by its scheme how TLS begins, and by itself which port that is', () => {
    const login = { user: 'u', password: 'p' };
    expect(parseMailServer('smtps://u:p@mail.example.com')).toEqual({
      ...{ host: 'mail.example.com', port: 465, tls: 'implicit', login },
    });
    expect(parseMailServer('smtp://u:p@mail.example.com/')).toMatchObject({ port: 587, tls: 'starttls' });
    expect(parseMailServer('smtp://u:p@mail.example.com:2525')).toMatchObject({ port: 2525 });
    expect(parseMailServer('smtps://relay.example.com')).toMatchObject({ login: undefined });
    expect(parseMailServer('smtps://u:p@[::1]:465')).toMatchObject({ host: '::1' });
  });

  it('holds user and password percent-encoded, as URLs do', () => {
    const { login } = parseMailServer('smtps://ops%40example.com:p%40ss%2Fw%3Ard%25%23@h');
    expect(login).toEqual({ user: 'ops@example.com', password: 'p@ss/w:rd%#' });
  });

  it('has a port that servers have', () => {
    for (const url of ['smtp://h:0', 'smtps://u:p@h:0/'])
      expect(() => parseMailServer(url)).toThrow('has port 0, which no server uses');
  });

  it('is a secret as a whole, and so is its password, also where the user is the same', () => {
    const url = 'smtps://0f1e-token%2B1:0f1e-token%2B1@smtp.example.com:465';
    const secrets = listSecrets((name) => (name === 'smtp-url' ? url : undefined), {});
    expect(secrets).toEqual(expect.arrayContaining([url, '0f1e-token%2B1', '0f1e-token+1']));
  });
});

describe('the addresses of mail', () => {
  it('may have a name where mail comes from', () => {
    expect(parseSender('backups@example.com')).toEqual({ name: '', address: 'backups@example.com' });
    const named = { name: 'Backups, nightly', address: 'backups@example.com' };
    expect(parseSender('Backups, nightly <backups@example.com>')).toEqual(named);
    expect(parseSender('"Backups, nightly" <backups@example.com>')).toEqual(named);
  });

  it('are several where mail goes', () => {
    const addresses = parseRecipientsOfMail('ops@example.com, dba+alarms@example.org\nme@x.y').map(
      ({ address }) => address,
    );
    expect(addresses).toEqual(['ops@example.com', 'dba+alarms@example.org', 'me@x.y']);
  });

  it.each([
    'a@b\r\nBcc: c@d',
    'a@b,c',
    'a b@example.com',
    '<a@example.com>>',
    '"a"@example.com',
    'a@',
    '@b',
    'ä@b.de',
    'a@-b',
  ])('are never %j', (text) => {
    expect(() => parseSender(text)).toThrow();
    expect(() => parseRecipientsOfMail(text)).toThrow();
  });
});

describe('who gets mail', () => {
  const server = 'smtps://u:p@h';

  it('is nobody without a server, so that a secret that is not set fails nothing', () => {
    expect(alarmsOf({ 'mail-from': 'a@b.c', 'mail-to': 'd@e.f' }).mail).toBeUndefined();
  });

  it('is nobody where nobody is named, whatever a secret of the name holds for others', () => {
    expect(alarmsOf({ 'smtp-url': server }).mail).toBeUndefined();
    expect(alarmsOf({ 'smtp-url': 'smtp://relay:25', 'mail-from': 'a@b.c' }).mail).toBeUndefined();
  });

  it('is whoever is named, from a sender that has to be named, too', () => {
    expect(() => alarmsOf({ 'smtp-url': server, 'mail-to': 'd@e.f' })).toThrow(/^mail-from: is required/);
    const { mail } = alarmsOf({ 'smtp-url': server, 'mail-from': 'a@b.c', 'mail-to': 'd@e.f' });
    expect(mail).toMatchObject({ server: { host: 'h' }, to: [{ address: 'd@e.f' }] });
  });
});
