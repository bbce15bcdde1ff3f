import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientEnvironment, quoteConnectionValue } from '../../../src/postgres/session/client-variables.ts';
import {
  describeConnection,
  maySendClearText,
  parseConnection,
  readRootCertificates,
} from '../../../src/postgres/session/settings.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { createContext, emptyContext } from '../../support/context.ts';

const parse = (url: string, env: NodeJS.ProcessEnv = {}) =>
  parseConnection('database-url', url, createContext({ env }));

function refusal(url: string, env: NodeJS.ProcessEnv = {}): ConfigurationError {
  try {
    parse(url, env);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error(`taken: ${url}`);
}

/** What there is where nobody says anything of it. */
const usual = { tls: {}, channelBinding: 'prefer', sessions: 'any', optionsAtStart: true };

describe('a connection URL', () => {
  it('is read in all its parts', () => {
    expect(
      parse('postgresql://ann:s3cret@db.example.com:6000/shop?sslmode=require&connect_timeout=7'),
    ).toEqual({
      ...usual,
      host: 'db.example.com',
      port: 6000,
      user: 'ann',
      password: 's3cret',
      database: 'shop',
      sslMode: 'require',
      sslRootCert: undefined,
      options: '',
      connectTimeoutSeconds: 7,
      input: 'database-url',
    });
  });

  it('may start with postgres:// and have white space around it, as pasted secrets do', () => {
    expect(parse(' postgres://ann@h/d\n')).toMatchObject({ user: 'ann', host: 'h', database: 'd' });
  });

  it('fills what it leaves out as libpq does: port 5432, the database named like the user', () => {
    const settings = parse('postgresql://ann@h');
    expect(settings).toMatchObject({ host: 'h', port: 5432, database: 'ann', sslMode: 'prefer' });
    expect(settings.password).toBeUndefined();
  });

  it.each([
    ['postgresql://ann@[::1]:6000/d', '::1', 6000],
    ['postgresql://ann@[2001:db8::7]/d', '2001:db8::7', 5432],
    ['postgresql://[::1]/d?user=ann', '::1', 5432],
  ])('takes an IPv6 address in brackets: %s', (url, host, port) => {
    expect(parse(url)).toMatchObject({ host, port, database: 'd' });
  });

  it.each([
    'postgresql:///d?host=/run/postgresql&user=ann',
    'postgresql://ann@/d?host=/run/postgresql',
    'postgresql://ann@%2Frun%2Fpostgresql/d',
    'postgresql://ann@:5432/d?host=%2Frun%2Fpostgresql',
  ])('takes the folder of a socket as host: %s', (url) => {
    expect(parse(url)).toMatchObject({ host: '/run/postgresql', user: 'ann', database: 'd' });
  });

  it('lets a parameter win over the part before it, as libpq does', () => {
    expect(parse('postgresql://ann:one@h:1/d?host=i&port=2&user=bob&password=two&dbname=e')).toMatchObject({
      host: 'i',
      port: 2,
      user: 'bob',
      password: 'two',
      database: 'e',
    });
  });

  it('decodes options, which are given to the server as they are', () => {
    expect(parse('postgresql://a@h/d?options=-c%20geqo%3Doff').options).toBe('-c geqo=off');
  });

  it('takes a plus in a parameter as a plus: URLs of libpq are no web forms', () => {
    expect(parse('postgresql://a@h/d?password=one+two').password).toBe('one+two');
  });

  it('ignores what drivers append and a backup does not need', () => {
    expect(parse('postgresql://a@h/d?pgbouncer=true&connection_limit=1').database).toBe('d');
  });

  it('keeps brackets at the ends of a password, which only mean something around a host', () => {
    expect(parse('postgresql://a:[pass]@h/d').password).toBe('[pass]');
  });

  it('takes any user, password and database that were percent-encoded', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(text, text, text, (user, password, database) => {
        const [u, p, d] = [user, password, database].map(encodeURIComponent);
        expect(parse(`postgresql://${u}:${p}@example.com:5433/${d}?sslmode=disable`)).toMatchObject({
          user,
          password,
          database,
          host: 'example.com',
          port: 5433,
          sslMode: 'disable',
        });
        expect(parse(`postgresql://h/?user=${u}&password=${p}&dbname=${d}`)).toMatchObject({
          user,
          password,
          database,
        });
      }),
    );
  });
});

describe('without a URL, libpq’s variables', () => {
  it('say everything', () => {
    const env = {
      PGHOST: 'h',
      PGPORT: '6000',
      PGUSER: 'ann',
      PGPASSWORD: 'p@ss:/#%',
      PGDATABASE: 'd',
      PGSSLMODE: 'verify-full',
      PGSSLROOTCERT: '/ca.pem',
      PGOPTIONS: '-c geqo=off',
      PGCONNECT_TIMEOUT: '3',
    };
    expect(parseConnection('database-url', undefined, createContext({ env }))).toEqual({
      ...usual,
      host: 'h',
      port: 6000,
      user: 'ann',
      password: 'p@ss:/#%',
      database: 'd',
      sslMode: 'verify-full',
      sslRootCert: '/ca.pem',
      options: '-c geqo=off',
      connectTimeoutSeconds: 3,
      input: 'database-url',
    });
  });

  it('stand in for what a URL leaves out, and lose to what it says', () => {
    expect(parse('postgresql://h/d', { PGUSER: 'ann', PGPASSWORD: 'p', PGHOST: 'other' })).toMatchObject({
      host: 'h',
      user: 'ann',
      password: 'p',
    });
  });

  it('mean nothing when they are empty', () => {
    expect(parse('postgresql://ann@h', { PGPORT: '', PGDATABASE: '', PGSSLMODE: '' })).toMatchObject({
      port: 5432,
      database: 'ann',
      sslMode: 'prefer',
    });
  });

  it('lose to the certificate that an input names', () => {
    expect(
      parseConnection(
        'database-url',
        'postgresql://h/d?sslrootcert=/one',
        createContext({ env: { PGSSLROOTCERT: '/two' } }),
        '/three',
      ),
    ).toMatchObject({ sslRootCert: '/three' });
  });
});

describe('a connection is refused', () => {
  it.each([
    ['another scheme', 'mysql://a:hunter2@h/d'],
    ['no scheme', 'a:hunter2@h/d'],
    ['# in the password', 'postgresql://a:hunter2#x@h/d'],
    ['# behind digits in the password', 'postgresql://a:1#hunter2@h/d'],
    ['/ in the password', 'postgresql://a:hunter2/x@h/d'],
    ['/ behind digits in the password', 'postgresql://a:1/hunter2@h/d'],
    ['/ behind digits in the password and no database', 'postgresql://a:1/hunter2@h'],
    ['? in the password', 'postgresql://a:hunter2?x@h/d'],
    ['? behind digits in the password', 'postgresql://a:1?hunter2@h/d'],
    ['? at the start of the password', 'postgresql://a:?hunter2=1@h/d'],
    ['@ in the password', 'postgresql://a:hunter2@x@h/d'],
    ['a percent sign that encodes nothing', 'postgresql://a:hunter2%@h/d'],
    ['a percent sign that encodes no UTF-8', 'postgresql://a:hunter2%ff@h/d'],
    ['a percent sign that encodes nothing in a parameter', 'postgresql://a@h/d?password=hunter2%zz'],
    ['a port that is no number', 'postgresql://a:hunter2@h:port/d'],
    ['port 0', 'postgresql://a:hunter2@h:0/d'],
    ['port 65536', 'postgresql://a:hunter2@h:65536/d'],
    ['an unknown sslmode', 'postgresql://a:hunter2@h/d?sslmode=yes'],
    ['an unknown parameter', 'postgresql://a:hunter2@h/d?target_session=any'],
    ['a parameter that cannot be kept', 'postgresql://a:hunter2@h/d?requirepeer=postgres'],
    ['Kerberos', 'postgresql://a:hunter2@h/d?gssencmode=require'],
    ['a service that is not there', 'postgresql://a:hunter2@h/d?service=nowhere'],
    ['fewer ports than hosts', 'postgresql://a:hunter2@/d?host=g,h,i&port=1,2'],
  ])('for %s, and the message does not hold the password', (_why, url) => {
    const error = refusal(url);
    expect(error.message).toMatch(/^database-url: /);
    expect(`${error.message} ${error.next} ${error.stack} ${error.cause}`).not.toContain('hunter2');
  });

  it('with the name of the unknown parameter', () => {
    expect(refusal('postgresql://a@h/d?target_session=any').message).toContain('target_session');
  });

  it.each([
    'postgresql://postgres.abc:p@aws-0-eu-west-1.pooler.supabase.com:6543/postgres',
    'postgresql://postgres:p@db.abc.supabase.co:6543/postgres',
  ])('on the transaction pooler: %s', (url) => {
    const error = refusal(url);
    expect(error.message).toContain('6543');
    expect(error.next).toContain('5432');
  });

  it('for the pooler without the project in the user name', () => {
    expect(
      refusal('postgresql://postgres:p@aws-0-eu-west-1.pooler.supabase.com:5432/postgres').next,
    ).toContain('postgres.PROJECT_REF');
  });

  it('for the direct host with the pooler’s user name', () => {
    expect(refusal('postgresql://postgres.abc:p@db.abc.supabase.co:5432/postgres').next).toContain(
      'user postgres',
    );
  });

  it('when libpq’s variables make the same mistakes', () => {
    const env = { PGHOST: 'aws-0-eu-west-1.pooler.supabase.com', PGPORT: '6543', PGUSER: 'postgres.abc' };
    expect(() => parseConnection('target-url', undefined, createContext({ env }))).toThrow(
      /target-url: port 6543/,
    );
  });

  it.each([
    'postgresql://postgres.abc:p@aws-0-eu-west-1.pooler.supabase.com:5432/postgres',
    'postgresql://postgres:p@db.abc.supabase.co:5432/postgres',
    'postgresql://app.user:p@db.abc.supabase.co:5432/postgres',
    'postgresql://postgres:p@localhost:6543/postgres',
  ])('but not %s', (url) => {
    expect(parse(url).user).toBeDefined();
  });

  it('never with the password in its text, whatever the password', () => {
    // Letters that no message has in this order, between the characters that break a URL.
    const password = fc.stringMatching(/^[0-9]{0,3}[@:/#?%&=[\]+]{0,2}qZjX7vK[@:/#?%&=[\]+]{0,3}$/);
    fc.assert(
      fc.property(password, (secret) => {
        try {
          const settings = parse(`postgresql://ann:${secret}@h:5432/d`);
          expect(describeConnection(settings)).not.toContain('qZjX7vK');
        } catch (error) {
          if (!(error instanceof ConfigurationError)) throw error;
          expect(`${error.message} ${error.next}`).not.toContain('qZjX7vK');
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('the environment of a client tool', () => {
  const settings = parse('postgresql://ann:s3cret@h:6000/d?sslmode=require&options=-c%20geqo%3Doff');
  const env = {
    PATH: '/bin',
    HOME: '/home/ann',
    PGSERVICE: 'prod',
    PGHOSTADDR: '10.0.0.1',
    PGPASSFILE: '/pass',
    PGTARGETSESSIONATTRS: 'standby',
    PGPASSWORD: 'other',
    PGSSLROOTCERT: '/other',
    PGOPTIONS: '-c work_mem=1MB',
    AWS_SECRET_ACCESS_KEY: 'of the storage',
    ACTIONS_RUNTIME_TOKEN: 'of the runner',
    GITHUB_TOKEN: 'of the workflow',
    'INPUT_ENCRYPTION-IDENTITY': 'AGE-SECRET-KEY-1…',
    SUPABASE_BACKUP_REPOSITORY_KEY: 'ab',
    MY_TOKEN: 'of somebody',
  };

  it('says where to connect, and takes over no PG* variable of the caller, nor any secret', () => {
    expect(clientEnvironment(settings, env, () => '/unused')).toEqual({
      PATH: '/bin',
      HOME: '/home/ann',
      LC_ALL: 'C',
      PGHOST: 'h',
      PGPORT: '6000',
      PGUSER: 'ann',
      PGPASSWORD: 's3cret',
      PGDATABASE: 'd',
      PGSSLMODE: 'require',
      PGGSSENCMODE: 'disable',
      PGCONNECT_TIMEOUT: '20',
      PGAPPNAME: 'supabase-backup',
      PGOPTIONS: expect.stringMatching(/^-c statement_timeout=0 .* -c geqo=off$/),
    });
  });

  it('holds the password in PGPASSWORD only', () => {
    const made = clientEnvironment(settings, env, () => '/unused');
    expect(Object.entries(made).filter(([, value]) => value?.includes('s3cret'))).toEqual([
      ['PGPASSWORD', 's3cret'],
    ]);
  });

  it('holds no password when none was given, not even the caller’s', () => {
    expect(clientEnvironment(parse('postgresql://a@h/d'), env, () => '/unused')).not.toHaveProperty(
      'PGPASSWORD',
    );
  });

  it.each([
    ['disable', undefined],
    ['require', undefined],
    ['verify-ca', '/written'],
    ['verify-full', '/written'],
  ])('brings root certificates along where the mode verifies: %s', (mode, expected) => {
    const made = clientEnvironment(parse(`postgresql://a@h/d?sslmode=${mode}`), env, () => '/written');
    expect(made.PGSSLROOTCERT).toBe(expected);
  });

  it('prefers the certificate that was named', () => {
    const named = parse('postgresql://a@h/d?sslmode=verify-full&sslrootcert=/ca.pem');
    expect(clientEnvironment(named, env, () => '/written').PGSSLROOTCERT).toBe('/ca.pem');
  });
});

it('a root certificate that cannot be read is a mistake that names the file', () => {
  const settings = parse('postgresql://a@h/d?sslrootcert=/nonexistent/ca.pem');
  expect(() => readRootCertificates(settings)).toThrow(ConfigurationError);
  expect(() => readRootCertificates(settings)).toThrow('/nonexistent/ca.pem');
});

it('the store of the system needs no file', () => {
  expect(readRootCertificates(parse('postgresql://a@h/d?sslrootcert=system'))).toBeUndefined();
});

it.each([
  ["it's", "'it\\'s'"],
  ['back\\slash', "'back\\\\slash'"],
  ['', "''"],
  ['two words', "'two words'"],
])('a value in a libpq connection string is quoted: %s', (value, quoted) => {
  expect(quoteConnectionValue(value)).toBe(quoted);
});

describe('TLS', () => {
  it.each([
    ['db.abcdefghijklmnopqrst.supabase.co', 'require'],
    ['aws-0-eu-central-1.pooler.supabase.com', 'require'],
    ['203.0.113.7', 'require'],
    ['[2001:db8::1]', 'require'],
    ['172.32.0.1', 'require'],
    ['localhost', 'prefer'],
    ['postgres', 'prefer'],
    ['127.0.0.1', 'prefer'],
    ['10.1.2.3', 'prefer'],
    ['172.31.0.1', 'prefer'],
    ['192.168.0.9', 'prefer'],
    ['[::1]', 'prefer'],
    ['[fd00::1]', 'prefer'],
    ['[fc12:3456::1]', 'prefer'],
    ['[fe80::1]', 'prefer'],
    ['[febf::1]', 'prefer'],
    ['db.internal', 'prefer'],
    ['169.254.1.1', 'prefer'],
    ['172.16.0.1', 'prefer'],
    // Routed to somewhere, though it looks private.
    ['172.15.255.255', 'require'],
    ['100.64.0.1', 'require'],
    ['192.169.0.1', 'require'],
    ['11.0.0.1', 'require'],
    ['[fd::1]', 'require'],
    ['[fc::1]', 'require'],
    ['[fe8::1]', 'require'],
    ['[fec0::1]', 'require'],
    ['[::ffff:203.0.113.7]', 'require'],
    ['3405803783', 'require'],
    ['0xcb007107', 'require'],
    ['10.evil.example', 'require'],
    ['localhost.example.com', 'require'],
    ['xn--bcher-kva.example', 'require'],
    ['internal.', 'require'],
  ])('of a host like %s is %s where nobody says how', (host, mode) => {
    expect(parseConnection('database-url', `postgresql://a.ref@${host}/d`, emptyContext).sslMode).toBe(mode);
    expect(
      parseConnection('database-url', `postgresql://a.ref@${host}/d?sslmode=disable`, emptyContext).sslMode,
    ).toBe('disable');
  });

  it('is verified where there is a certificate to verify it with', () => {
    const settings = parseConnection(
      'database-url',
      'postgresql://a@db.example.com/d',
      emptyContext,
      '/ca.pem',
    );
    expect(settings.sslMode).toBe('verify-full');
  });

  it('is verified at a host nearby, too, where its own URL names a certificate', () => {
    expect(parse('postgresql://a@10.1.2.3/d?sslrootcert=/ca.pem').sslMode).toBe('verify-full');
    expect(
      parseConnection('database-url', 'postgresql://a@10.1.2.3/d', emptyContext, '/ca.pem').sslMode,
    ).toBe('prefer');
  });

  it.each(['disable', 'allow', 'prefer', 'require', 'verify-ca'])(
    'is not left unverified by sslmode=%s where the authorities of the system were asked for',
    (mode) => {
      const refused = refusal(`postgresql://a@db.example.com/d?sslmode=${mode}&sslrootcert=system`);
      expect(refused.message).toContain("does not check the server's name");
      expect(refusal('postgresql://a@db.example.com/d?sslrootcert=system', { PGSSLMODE: mode }).message).toBe(
        refused.message,
      );
    },
  );

  it('trusts the authorities of the system in client programs, too, which may not know the word', () => {
    const settings = parse('postgresql://a@db.example.com/d?sslrootcert=system');
    expect(clientEnvironment(settings, {}, () => '/written').PGSSLROOTCERT).toBe('/written');
  });

  it('is verified with the certificate that libpq looks for, in sessions as in client programs', () => {
    const home = mkdtempSync(join(tmpdir(), 'home-'));
    mkdirSync(join(home, '.postgresql'));
    const file = join(home, '.postgresql', 'root.crt');
    writeFileSync(file, 'a certificate');
    const settings = parse('postgresql://a@db.example.com/d', { HOME: home });
    expect(settings).toMatchObject({ sslMode: 'require', sslRootCert: file });
    expect(readRootCertificates(settings)).toBe('a certificate');
    expect(clientEnvironment(settings, {}, () => '/unused').PGSSLROOTCERT).toBe(file);
    rmSync(home, { recursive: true });
  });
});

describe('a password in clear text', () => {
  it.each([
    ['disable', 'h', false],
    ['allow', 'h', false],
    ['prefer', 'h', false],
    ['require', 'h', true],
    ['verify-ca', 'h', true],
    ['verify-full', 'h', true],
    ['disable', '%2Frun%2Fpostgresql', true],
  ])('with sslmode=%s to %s: %s, by sessions and by client programs', (mode, host, may) => {
    const settings = parse(`postgresql://a:b@${host}/d?sslmode=${mode}`);
    expect(maySendClearText(settings)).toBe(may);
    const made = clientEnvironment(settings, {}, () => '/unused');
    expect(made.PGREQUIREAUTH).toBe(may ? undefined : '!password');
  });
});
