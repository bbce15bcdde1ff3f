/** A shorter text protects nothing, and its letters are all over the words of a report. */
const shortest = 4;

/**
 * Replaces secrets in all the forms in which they travel: as they are, percent-encoded and decoded, as in JSON, in base64. A runner
 * masks its log only, and nothing that we send.
 */
export function createMask(secrets: readonly string[]): (text: string) => string {
  const forms = [...new Set(secrets.flatMap(formsOf))]
    .filter((form) => form.length >= shortest)
    // A form that is part of another would leave the rest of it.
    .sort((one, other) => other.length - one.length);
  return (text) => forms.reduce((masked, form) => masked.replaceAll(form, '***'), text);
}

function formsOf(secret: string): string[] {
  if (secret.length < shortest) return [];
  const plain = [secret, decode(secret)];
  return plain.flatMap((text) => {
    const encoded = encodeURIComponent(text);
    const strict = encoded.replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
    const escaped = [encoded, strict, strict.replaceAll('%20', '+')];
    return [
      text,
      JSON.stringify(text).slice(1, -1),
      ...escaped,
      ...escaped.map((form) => form.replace(/%[0-9A-F]{2}/g, (sign) => sign.toLowerCase())),
      ...base64Forms(text),
    ];
  });
}

/** Base64 of a text depends on how many bytes stand before it: there are three ways, less the letters that neighbours share. */
function base64Forms(text: string): string[] {
  return [0, 1, 2].flatMap((shift) => {
    const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(text)]);
    const whole = Math.floor((bytes.length * 8) / 6);
    const core = bytes.toString('base64').slice(Math.ceil((shift * 8) / 6), whole);
    // Few letters of base64 are part of ordinary words.
    return core.length < 8 ? [] : [core, core.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded: then it is its own plain form.
    return text;
  }
}
