import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { listDifferences } from '../../../src/schedule/workflows/line-diff.ts';
import { makeCheckout, nightlyPolicy, refusalOf, smallPolicy, textOf } from '../setting.ts';

const main = 'supabase-backup.yml';
const later = smallPolicy.replace('production\n', 'elsewhere\n');

describe('schedule', () => {
  test('refuses checks of a file that the repository does not have, before it writes anything', async () => {
    const checkout = await makeCheckout(
      nightlyPolicy.replace('schedules:', '    checks: checks/orders.sql\nschedules:'),
    );
    const { message } = await refusalOf(() => checkout.run());
    expect(message).toContain(
      ':7:13: databases.production.checks: is neither a SELECT nor a file of this repository',
    );
    expect(await checkout.read()).toEqual({});
    const checks = path.join(checkout.folder, '../../checks');
    await mkdir(checks);
    await writeFile(path.join(checks, 'orders.sql'), 'SELECT count(*) > 0 FROM public.orders\n');
    expect(await checkout.run()).toMatchObject({ exitCode: 0 });
  });

  test('writes the workflows of the policy, and the second time nothing', async () => {
    const checkout = await makeCheckout();
    const first = await checkout.run();
    expect(first).toMatchObject({ exitCode: 0, outputs: { workflows: 7, drift: true } });
    const written = await checkout.read();
    expect(Object.keys(written).sort()).toEqual([
      'supabase-backup-capture.yml',
      'supabase-backup-cleanup.yml',
      'supabase-backup-drill.yml',
      'supabase-backup-incremental.yml',
      'supabase-backup-restore.yml',
      'supabase-backup-watch.yml',
      main,
    ]);
    const second = await checkout.run();
    expect(second).toMatchObject({ exitCode: 0, outputs: { workflows: 7, drift: false } });
    expect(await checkout.read()).toEqual(written);
    expect(written[main]).toMatch(
      /^# Generated from \.github\/supabase-backup\.yml by `supabase-backup schedule`; edit the policy instead\.\n# sha256:/,
    );
  });

  test('follows the policy when it changes', async () => {
    const checkout = await makeCheckout();
    await checkout.run();
    await checkout.writePolicy(later);
    expect(await checkout.run()).toMatchObject({ exitCode: 0, outputs: { drift: true } });
    expect((await checkout.read())[main]).toContain('storage: s3://octo-backups/elsewhere');
  });

  test('removes a workflow that the policy no longer wants, and no other', async () => {
    const checkout = await makeCheckout();
    await checkout.writeWorkflow('ci.yml', 'on: push\n');
    await checkout.run();
    const others = ((await checkout.read())[main] ?? '').replace('.github/supabase-backup.yml', 'other.yml');
    await checkout.writeWorkflow('other.yml', others);
    await checkout.writePolicy(`${smallPolicy}schedules: { drill: false }\n`);
    await checkout.run();
    const files = Object.keys(await checkout.read());
    expect(files).not.toContain('supabase-backup-drill.yml');
    expect(files).toEqual(expect.arrayContaining(['ci.yml', 'other.yml']));
  });

  test('in a dry run shows what would change, and changes nothing', async () => {
    const checkout = await makeCheckout();
    await checkout.run();
    const before = await checkout.read();
    await checkout.writePolicy(later);
    const outcome = await checkout.run({ dryRun: true });
    expect(outcome).toMatchObject({ exitCode: 0, outputs: { drift: true } });
    expect(textOf(outcome)).toMatch(
      /\d+ - {7}storage: s3:\/\/octo-backups\/production\n\d+ \+ {7}storage: s3:.*elsewhere/,
    );
    expect(await checkout.read()).toEqual(before);
  });

  test('does not take what a formatter or a checkout on Windows does for an edit', async () => {
    const checkout = await makeCheckout();
    await checkout.run();
    const text = (await checkout.read())[main] ?? '';
    const formatted = text.replace(/"/g, "'").replace(/\n/g, '\r\n');
    expect(formatted).not.toBe(text);
    await checkout.writeWorkflow(main, formatted);
    expect(await checkout.run({ check: true })).toMatchObject({ exitCode: 0, outputs: { drift: false } });
    expect(await checkout.run()).toMatchObject({ exitCode: 0, outputs: { drift: false } });
    expect((await checkout.read())[main]).toBe(formatted);
    await checkout.writePolicy(later);
    expect(await checkout.run()).toMatchObject({ exitCode: 0, outputs: { drift: true } });
  });
});

describe('check', () => {
  test('ends with 0 when all is as the policy says', async () => {
    const checkout = await makeCheckout();
    await checkout.run();
    expect(await checkout.run({ check: true })).toMatchObject({ exitCode: 0, outputs: { drift: false } });
  });

  test.each([
    ['is missing', async () => await makeCheckout()],
    [
      'is older than the policy',
      async () => {
        const checkout = await makeCheckout();
        await checkout.run();
        await checkout.writePolicy(later);
        return checkout;
      },
    ],
    [
      'has keys where the policy has a role by now',
      async () => {
        const checkout = await makeCheckout();
        await checkout.run();
        const role = 's3-region: eu-central-1\n    aws-role: arn:aws:iam::123456789012:role/backup\n';
        await checkout.writePolicy(`${smallPolicy}    ${role}`);
        return checkout;
      },
    ],
    [
      'is no longer wanted',
      async () => {
        const checkout = await makeCheckout();
        await checkout.run();
        await checkout.writePolicy(`${smallPolicy}schedules: { drill: false }\n`);
        return checkout;
      },
    ],
    [
      'was edited by hand',
      async () => {
        const checkout = await makeCheckout();
        await checkout.run();
        const text = (await checkout.read())[main] ?? '';
        await checkout.writeWorkflow(main, text.replace('inputs.pin == true', 'true'));
        return checkout;
      },
    ],
  ])('ends with 3 and writes nothing when a workflow %s', async (_, prepare) => {
    const checkout = await prepare();
    const before = await checkout.read();
    const outcome = await checkout.run({ check: true });
    expect(outcome).toMatchObject({ exitCode: 3, outputs: { drift: true } });
    expect(textOf(outcome)).toContain('run `schedule` without `check`');
    expect(await checkout.read()).toEqual(before);
  });
});

describe('a file that is not ours to change', () => {
  test('because it was edited by hand stops everything before anything is written', async () => {
    const checkout = await makeCheckout();
    await checkout.run();
    const text = (await checkout.read())[main] ?? '';
    await checkout.writeWorkflow(main, text.replace('name: Database backup', 'name: Mine'));
    await checkout.writePolicy(later);
    const before = await checkout.read();
    const error = await refusalOf(() => checkout.run());
    expect(error.message).toBe(`${checkout.folder}/${main} was edited by hand`);
    expect(error.next).toContain('delete or rename the file');
    expect(await checkout.read()).toEqual(before);
  });

  test('because it was edited by hand is not removed either', async () => {
    const checkout = await makeCheckout();
    await checkout.run();
    const name = 'supabase-backup-drill.yml';
    await checkout.writeWorkflow(name, `${(await checkout.read())[name]}# mine\n`);
    await checkout.writePolicy(`${smallPolicy}schedules: { drill: false }\n`);
    expect((await refusalOf(() => checkout.run())).message).toContain(`${name} was edited by hand`);
    expect(await checkout.read()).toHaveProperty([name]);
  });

  test('because it is no YAML any more', async () => {
    const checkout = await makeCheckout();
    await checkout.run();
    for (const broken of ['x: [\n', 'x: *nowhere\n', 'x: &here [*here]\n']) {
      await checkout.writeWorkflow('supabase-backup-watch.yml', `${(await checkout.read())[main]}${broken}`);
      expect(await checkout.run({ check: true })).toMatchObject({ exitCode: 3 });
      expect((await refusalOf(() => checkout.run())).message).toContain('watch.yml was edited by hand');
    }
  });

  test('because somebody else wrote it', async () => {
    const checkout = await makeCheckout();
    await checkout.writeWorkflow(main, 'on: push\n');
    expect((await refusalOf(() => checkout.run())).message).toContain('was not generated by `schedule`');
    expect(Object.keys(await checkout.read())).toEqual([main]);
  });

  test('because it belongs to another policy', async () => {
    const checkout = await makeCheckout();
    await checkout.run();
    const text = (await checkout.read())[main] ?? '';
    await checkout.writeWorkflow(main, text.replace('.github/supabase-backup.yml', 'other.yml'));
    expect((await refusalOf(() => checkout.run())).message).toContain('from another policy, other.yml');
  });
});

describe('what cannot be known', () => {
  test('is the policy, when there is none', async () => {
    const checkout = await makeCheckout();
    const error = await refusalOf(() => checkout.run({ policy: '/nowhere/policy.yml' }));
    expect(error.message).toBe('policy: /nowhere/policy.yml cannot be read');
  });

  test('is the repository, when nothing tells it; the environment or the remote do', async () => {
    const checkout = await makeCheckout(smallPolicy.replace('repository: octo-org/shop\n', ''));
    expect((await refusalOf(() => checkout.run())).message).toContain('policy: names no repository');
    await checkout.run({}, { GITHUB_REPOSITORY: 'octo-org/shop' });
    const written = await checkout.read();
    for (const url of [
      'https://github.com/octo-org/shop.git',
      'git@github.com:Octo-Org/shop',
      'ssh://git@h/octo-org/shop/',
    ]) {
      await checkout.writeGitConfig(
        `[core]\n\tbare = false\n[remote "origin"]\n\tfetch = +x:y\n\turl = ${url}\n[x]\n`,
      );
      expect(await checkout.run({ check: true })).toMatchObject({ exitCode: 0 });
    }
    expect(await checkout.read()).toEqual(written);
  });
});

test('differences are the lines that changed, with their numbers', () => {
  expect(listDifferences('a\nb\nc\nd\n', 'a\nx\nc\nd\ne\n')).toEqual(['2 - b', '2 + x', '5 + e']);
  expect(listDifferences('a\n', 'a\n')).toEqual([]);
  expect(listDifferences('', 'a\n')).toEqual(['1 + a']);
});
