/*
 * Secrets of Vault are stored as the extension has encrypted them, with the root key of the project and the id of each. What has the same root
 * key reads them, whoever stored them.
 */

/** Makes a secret of a stored row (id, secret, nonce, name, description), as supabase_vault 0.3 has its functions. */
export const createSecret =
  "vault.create_secret(convert_from(vault._crypto_aead_det_decrypt(message => decode(secret, 'base64'), additional => convert_to(id::text, 'utf8'), " +
  "key_id => 0, context => 'pgsodium', nonce => nonce), 'utf8'), name, description)";

export const bringSecretsByHand =
  `With the source's root key in the target, for each row of the backup: SELECT ${createSecret}. ` +
  'Without it make the secrets anew with vault.create_secret(). docs/supabase.md describes both.';

export function isVault({ schema, name }: { schema?: string | undefined; name: string }): boolean {
  return schema === 'vault' && name === 'secrets';
}
