import { adviseTrust } from '../../http/authorities.ts';
import { explainProxy, explainProxyAnswer } from '../../http/trouble.ts';
import { messageOf } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { BrokenBodyError } from '../storage.ts';
import { isBroken, isSilence, isUnreachable, nameOf, SilenceError, statusOf } from './failure.ts';
import { type Failed, failing, hostOf, quote, type S3Failure, type Words, wrong } from './sentences.ts';

/** Stands for Amazon's hosts: each bucket and region has its own */
const amazon = new URL('https://s3.amazonaws.com');

/** Explains why the store did not answer; undefined when it answered. */
export function explainConnection(error: unknown, failed: Failed): S3Failure | undefined {
  const name = nameOf(error);
  const host = hostOf(failed);
  const { endpoint: url = amazon, env } = failed;
  const proxy = explainProxy(error, url, env) ?? explainProxyAnswer(statusOf(error) ?? 0, url, env);
  if (proxy !== undefined) return proxy;
  const checkLine = `Check the connection to ${host}, and any proxy in between.`;
  if (error instanceof BrokenBodyError) return failing([error.message, checkLine]);
  if (error instanceof SilenceError)
    return failing([`${host} stopped answering: ${error.message}`, checkLine]);
  if (name === 'CredentialsProviderError') {
    return wrong([
      'no credentials were found',
      'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws-actions/configure-aws-credentials before this step.',
    ]);
  }
  if (messageOf(error) === 'Region is missing') {
    return wrong([
      'no region is set',
      say`Set ${nameInput('s3-region')} or AWS_REGION to the region of the bucket.`,
    ]);
  }
  if (isUnreachable(error)) {
    const { hostname = host } = error as { hostname?: string };
    return wrong([
      `${quote(hostname)} cannot be reached (${name})`,
      say`Check ${nameInput('s3-endpoint')}, and that this machine can connect to it. If it needs a proxy, set HTTPS_PROXY.`,
    ]);
  }
  const distrust = explainDistrust(name, failed);
  if (distrust) return wrong(distrust);
  if (/^HPE_/.test(name) || (isBroken(error) && !failed.hasAnswered && !isSilence(error))) {
    const isPlain = failed.endpoint?.protocol === 'http:';
    const words = `the connection to ${host} broke before any answer came (${name})`;
    if (isPlain)
      return wrong([words, say`If the server expects TLS, write https:// in ${nameInput('s3-endpoint')}.`]);
  }
  if (isBroken(error) || isSilence(error)) {
    return failing([`the connection to ${host} broke or stopped answering (${name})`, checkLine]);
  }
  return undefined;
}

/** Explains a failed TLS handshake. */
function explainDistrust(name: string, failed: Failed): Words | undefined {
  const host = hostOf(failed);
  switch (name) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return [
        `the certificate of ${host} is for another name (${name})`,
        say`Write the name that is in the certificate in ${nameInput('s3-endpoint')}. If the certificate lacks the name of the bucket, use ${nameInput('s3-addressing', 'path')}.`,
      ];
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return [
        `the certificate of ${host} has expired or is not valid yet (${name})`,
        'Renew it. If it is valid, set the clock of this machine.',
      ];
    case 'EPROTO':
      return [
        `${host} does not use TLS as this machine does (${name})`,
        say`Check the scheme of ${nameInput('s3-endpoint')}. If the store uses plain HTTP, write http://.`,
      ];
  }
  if (/^ERR_SSL_/.test(name)) {
    return [
      `${host} does not use TLS as this machine does (${name})`,
      say`Check the scheme of ${nameInput('s3-endpoint')}. If the store uses plain HTTP, write http://.`,
    ];
  }
  if (/^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_)/.test(name)) {
    return [
      `this machine does not trust the certificate of ${host} (${name})`,
      say`Check the scheme of ${nameInput('s3-endpoint')}; ${adviseTrust(name, failed.env)}.`,
    ];
  }
  return undefined;
}
