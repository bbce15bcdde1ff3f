import { describeStorage } from '../storage.contract.ts';
import { MemoryStorage } from '../support/memory-storage.ts';

describeStorage('memory', async () => new MemoryStorage());
