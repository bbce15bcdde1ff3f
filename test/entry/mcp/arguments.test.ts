import { describe, expect, it } from 'vitest';
import { parseOwn, toArgumentSchema } from '../../../src/entry/mcp/arguments.ts';
import { tools } from '../../../src/entry/mcp/tools.ts';
import { inputs } from '../../../src/interface/inputs/schema.ts';
import { oneOf } from '../../../src/interface/inputs/values.ts';

const schemaOf = (name: string) => {
  const tool = tools.find((one) => one.name === name);
  if (tool === undefined) throw new Error(`there is no tool ${name}`);
  return toArgumentSchema(tool)['~standard'];
};
const jsonOf = (name: string) => schemaOf(name).jsonSchema.input({ target: 'draft-2020-12' });

describe('the arguments of a tool', () => {
  it('are described as the command line describes the inputs', () => {
    expect(jsonOf('backup_start')).toMatchObject({
      type: 'object',
      properties: {
        'backup-type': { type: 'string', enum: ['full', 'incremental', 'schema'] },
        label: { type: 'string', description: inputs.label.description.replaceAll('`', '') },
        pin: { type: 'boolean' },
        'wait-seconds': { type: 'integer', minimum: 0, maximum: 50 },
      },
      additionalProperties: false,
    });
    expect(jsonOf('drill_start')).toMatchObject({
      properties: { fallback: { type: 'integer', minimum: 0, maximum: 100 } },
    });
  });

  it.each(tools.map((tool) => [tool.name, tool] as const))('of %s are none of the secrets', (_, tool) => {
    expect(tool.inputs.filter((name) => inputs[name].secret)).toEqual([]);
    const risky = ['checks', 'command', 'confirm', 'clean', 'output', 'policy', 'storage', 'client-path'];
    expect(tool.inputs.filter((name) => risky.includes(name))).toEqual([]);
  });

  it('could not be a secret if somebody added one', () => {
    expect(() => toArgumentSchema({ inputs: ['database-url'], own: {} })).toThrow('is a secret');
  });

  it.each([
    [{ 'database-url': 'postgresql://u:hunter2@h/d' }, 'SUPABASE_BACKUP_DATABASE_URL'],
    [{ storage: './elsewhere' }, 'SUPABASE_BACKUP_STORAGE'],
    [{ surprise: 1 }, 'there is no argument "surprise"; this tool takes backup-type, label, pin'],
    [
      { 'AGE-SECRET-KEY-1QQQ hunter2': 1 },
      'there is no argument what is written there (27 characters; hidden',
    ],
    [{ pin: 'true' }, 'pin: is not true or false'],
    [{ 'wait-seconds': '40' }, 'wait-seconds: is not a whole number'],
    [{ 'wait-seconds': 1.5 }, 'wait-seconds: is not a whole number'],
    [{ label: 7 }, 'label: is not a text'],
    [{ label: 'x'.repeat(4001) }, 'label: is not a text of at most 4000 characters'],
    [[], 'are no object'],
    [null, 'are no object'],
  ])('are refused where they are not of the schema: %j', async (given, why) => {
    const { issues = [] } = await schemaOf('backup_start').validate(given);
    expect(issues.map(({ message }) => message).join()).toContain(why);
    expect(JSON.stringify(issues)).not.toContain('hunter2');
  });

  it('become texts, as a command line would have them', async () => {
    const given = { 'backup-type': 'full', pin: true, 'wait-seconds': 0 };
    expect(await schemaOf('backup_start').validate(given)).toEqual({
      value: { 'backup-type': 'full', pin: 'true', 'wait-seconds': '0' },
    });
  });
});

describe('arguments of a tool alone', () => {
  const own = {
    target: { description: '', default: 'a', parse: oneOf(['a', 'b'] as const) },
    other: { description: '', parse: oneOf(['c'] as const) },
  };

  it('have their default, or are absent', () => {
    expect(parseOwn(own, {})).toEqual({ target: 'a', other: undefined });
    expect(parseOwn(own, { target: ' b ', other: 'c' })).toEqual({ target: 'b', other: 'c' });
  });

  it('are refused with what to write', () => {
    expect(() => parseOwn(own, { target: 'z' })).toThrow('target: cannot be "z"');
  });
});
