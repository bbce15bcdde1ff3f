import { expect, it } from 'vitest';
import { IntegrityError } from '../../src/errors.ts';
import { type Supplement, writeSupplement } from '../../src/repository/supplement.ts';
import { makeSupplement } from '../target/parity-example.ts';

const write = (supplement: Supplement) => [...writeSupplement(supplement)].join('');

it('is the JSON of the whole, part by part', () => {
  for (const supplement of [
    makeSupplement(),
    makeSupplement({ definitions: [], privileges: [], roles: [] }),
  ]) {
    expect(JSON.parse(write(supplement))).toEqual(supplement);
  }
  const [line] = [{ kind: 'table', schema: 'public', relation: null, name: '"ü" 🎉', detail: 'a\nb' }];
  const text = write(makeSupplement({ definitions: [line, line] }));
  expect(text).toContain(`"definitions":[${JSON.stringify(line)},${JSON.stringify(line)}]`);
});

it('is refused with a line that no restore could read, before there is a manifest', () => {
  const unreadable = { kind: 'comment', schema: null, relation: null, name: null, detail: 'x' };
  const supplement = makeSupplement({ definitions: [unreadable as never] });
  expect(() => write(supplement)).toThrow(IntegrityError);
  expect(() => write(supplement)).toThrow(/definitions \{"kind":"comment"/);
});
