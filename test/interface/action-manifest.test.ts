import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { formerNames, listFormerNames } from '../../src/interface/inputs/former-names.ts';
import { inputNames, inputs } from '../../src/interface/inputs/schema.ts';
import { outputNames } from '../../src/interface/outputs.ts';

const readManifest = (file: string) => parse(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'));
const composite = readManifest('action.yml');
const bundled = readManifest('dist/action.yml');

const names = [...inputNames, ...listFormerNames()];

describe.each([
  ['action.yml', composite],
  ['dist/action.yml', bundled],
])('%s', (_, manifest) => {
  test('has every input with its description and default', () => {
    expect(Object.keys(manifest.inputs)).toEqual(names);
    for (const name of inputNames) {
      const { description, default: fallback } = inputs[name];
      expect(manifest.inputs[name].description).toContain(description);
      expect(manifest.inputs[name].default).toBe(typeof fallback === 'string' ? fallback : undefined);
    }
  });

  test('has every former name, empty where it is not given', () => {
    for (const [former, name] of Object.entries(formerNames)) {
      expect(manifest.inputs[former].description).toContain(name);
      expect(manifest.inputs[former].default).toBeUndefined();
    }
  });

  test('requires what every operation requires', () => {
    expect(inputNames.filter((name) => manifest.inputs[name].required)).toEqual(['operation']);
  });

  test('has every output', () => {
    expect(Object.keys(manifest.outputs)).toEqual(outputNames);
  });
});

test('action.yml hands every input to the bundle and every output back', () => {
  const [step] = composite.runs.steps;
  expect(step.uses).toBe('$/dist');
  expect(step.with).toEqual(Object.fromEntries(names.map((name) => [name, `\${{ inputs.${name} }}`])));
  for (const name of outputNames) {
    expect(composite.outputs[name].value).toBe(`\${{ steps.${step.id}.outputs.${name} }}`);
  }
});

test('action.yml has what the Marketplace asks for', () => {
  expect(composite).toMatchObject({
    name: expect.any(String),
    description: expect.any(String),
    author: expect.any(String),
    branding: { icon: 'database', color: 'green' },
  });
  expect(composite.description.length).toBeLessThan(125);
});

test('dist/action.yml runs the bundle on Node 24', () => {
  expect(bundled.runs).toEqual({ using: 'node24', main: 'index.cjs', post: 'post.cjs' });
});
