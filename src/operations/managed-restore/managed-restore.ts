export async function restoreManaged(_i: object, _c: object): Promise<never> {
  throw new Error('x');
}
