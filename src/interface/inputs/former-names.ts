import { type InputName, inputs, type ReadInput } from './schema.ts';

/** Renamed inputs, by their former name, which is still read, with a warning. */
export const formerNames = { ledger: 'rollback-token' } as const satisfies Record<string, InputName>;

export type FormerName = keyof typeof formerNames;

/** Reads an input under its former name when its own name has no text, or only its default. */
export function acceptFormerNames(read: (name: InputName | FormerName) => string | undefined): ReadInput {
  const formerOf = new Map<InputName, FormerName>(
    listFormerNames().map((former) => [formerNames[former], former]),
  );
  return (name) => {
    const text = read(name);
    const former = formerOf.get(name);
    if (former === undefined || (text?.trim() && text.trim() !== inputs[name].default)) return text;
    return read(former)?.trim() ? read(former) : text;
  };
}

/** Returns the warning for a user who wrote a former name. */
export function adviseRename(former: FormerName): string {
  return `the input ${former} is named ${formerNames[former]} now. The former name still works`;
}

export function listFormerNames(): readonly FormerName[] {
  return Object.keys(formerNames) as FormerName[];
}

export function isFormerName(name: string): name is FormerName {
  return Object.hasOwn(formerNames, name);
}
