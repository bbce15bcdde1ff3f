import { expect, it } from 'vitest';
import { describeActing } from '../../src/operations/acting.ts';
import type { Supplement } from '../../src/repository/supplement.ts';

const roles = [
  { name: 'postgres', superuser: true },
  { name: 'app', superuser: false },
] as Supplement['roles'];
const functions = (...owners: string[]) => owners.map((owner) => ({ kind: 'FUNCTION', owner }));

it('names the roles whose functions a superuser runs, those of the most first', () => {
  const text = describeActing('root', functions('tenant', 'app', 'app', 'postgres'), { roles });
  expect(text).toContain('run as root, a superuser');
  expect(text).toContain('They belong to app (2), tenant (1).');
});

it('names five of many', () => {
  const text = describeActing('root', functions('a', 'b', 'c', 'd', 'e', 'f', 'g'), { roles });
  expect(text).toContain('e (1) and 2 roles more.');
});

it('says nothing of what superusers of the source have made, nor of what is no function', () => {
  expect(describeActing('root', functions('postgres'), { roles })).toBeUndefined();
  expect(describeActing('root', [{ kind: 'TABLE', owner: 'tenant' }], { roles })).toBeUndefined();
});
