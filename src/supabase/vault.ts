/*
 * Vault stores its secrets encrypted with the project's root key, and with the secret's id as additional
 * data. Any project with the same root key can read them.
 */

/** Decrypts a stored row (id, secret, nonce) to bytes, with a function of supabase_vault 0.3. */
export const decryptSecret =
  "vault._crypto_aead_det_decrypt(message => decode(secret, 'base64'), additional => convert_to(id::text, 'utf8'), " +
  "key_id => 0, context => 'pgsodium', nonce => nonce)";

/** Creates a secret from a stored row (id, secret, nonce, name, description). */
export const createSecret = `vault.create_secret(convert_from(${decryptSecret}, 'utf8'), name, description)`;

export const bringSecretsByHand =
  `With the source's root key in the target, for each row of the backup: SELECT ${createSecret}. ` +
  'Without it make the secrets anew with vault.create_secret(). docs/supabase.md describes both.';

export function isVault({ schema, name }: { schema?: string | undefined; name: string }): boolean {
  return schema === 'vault' && name === 'secrets';
}
