import { expect, test } from 'vitest';
import { createTerminalLog } from '../../../src/entry/terminal/log.ts';
import { printableLines } from '../../../src/report/printable.ts';
import { createRedactor } from '../../../src/report/redact.ts';

function createStream(isTTY: boolean) {
  const stream = { isTTY, columns: 20, text: '', write: (text: string) => (stream.text += text) };
  return stream;
}

test('on a terminal a line of progress is replaced, and cut rather than wrapped', () => {
  const stream = createStream(true);
  const log = createTerminalLog(stream, { redact: String, verbosity: 'normal', shown: printableLines });
  log.progress('one');
  log.progress('x'.repeat(50));
  log.info('done');
  expect(stream.text).toBe(`one\r\x1b[2K${'x'.repeat(19)}\r\x1b[2Kdone\n`);
});

test('elsewhere progress is a line every 15 seconds', () => {
  let now = 0;
  const stream = createStream(false);
  const log = createTerminalLog(stream, {
    redact: String,
    verbosity: 'normal',
    shown: printableLines,
    now: () => now,
  });
  for (; now <= 31_000; now += 1000) log.progress(`at ${now / 1000}`);
  expect(stream.text).toBe('at 15\nat 30\n');
});

test('no secret passes, in whatever line', async () => {
  const stream = createStream(false);
  const log = createTerminalLog(stream, {
    redact: createRedactor(['postgresql://u:hunter2@h/db', 'hunter2', 'p']),
    verbosity: 'verbose',
    shown: printableLines,
  });
  log.info('connecting to postgresql://u:hunter2@h/db');
  log.warn('hunter2');
  log.debug('hunter2');
  await log.group('hunter2', async () => log.error('hunter2'));
  expect(stream.text).toBe('connecting to ***\nwarning: ***\ndebug: ***\n***\nerror: ***\n');
});

test('debugging lines need --verbose', () => {
  const stream = createStream(false);
  createTerminalLog(stream, { redact: String, verbosity: 'normal', shown: printableLines }).debug('detail');
  expect(stream.text).toBe('');
});

test('no line of a message passes for another message', () => {
  const stream = createStream(false);
  const log = createTerminalLog(stream, { redact: String, verbosity: 'normal', shown: printableLines });
  log.error('role "a\nwarning: all is well" is refused\u001b[2J');
  expect(stream.text).toBe('error: role "a\n  warning: all is well" is refused\\u{1b}[2J\n');
});
