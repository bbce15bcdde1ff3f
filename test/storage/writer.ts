/** A process that writes to a folder until it is killed, and says on stdout which keys it has stored. */
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { FileStorage } from '../../src/storage/file.ts';
import { presentContext } from '../support/context.ts';

function makeValue(): Buffer {
  const body = randomBytes(randomInt(3_000_000));
  return Buffer.concat([digest(body), body]);
}

export function isWhole(value: Buffer): boolean {
  return digest(value.subarray(32)).equals(value.subarray(0, 32));
}

function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

async function write(storage: FileStorage, writer: number): Promise<never> {
  for (let count = 0; ; count++) {
    const created = `objects/${writer}/${count}`;
    await storage.create(created, makeValue());
    console.log(created);
    const replaced = `replaced/${writer}`;
    await storage.put(replaced, makeValue());
    console.log(replaced);
  }
}

const [, script, root] = process.argv;
if (script === import.meta.filename && root) {
  const storage = new FileStorage(root, presentContext);
  console.log('ready');
  await Promise.all([1, 2, 3].map((writer) => write(storage, writer)));
}
