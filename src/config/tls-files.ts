// Certificate and key of both ports. A file that cannot be read stops the start, before anything
// listens in the clear by mistake. They are read again on SIGHUP, when a certificate was renewed.

import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { OperationalError } from '../base/errors.ts';

export type TlsFiles = { readonly cert: Buffer; readonly key: Buffer };

/** `undefined` where neither file is configured. */
export function readTlsFiles(files: {
  readonly tlsCertFile: string;
  readonly tlsKeyFile: string;
}): TlsFiles | undefined {
  if (files.tlsCertFile === '') return undefined;
  try {
    const tls = { cert: readFileSync(files.tlsCertFile), key: readFileSync(files.tlsKeyFile) };
    createSecureContext(tls);
    return tls;
  } catch (cause) {
    throw new OperationalError('CONFIGURATION_INVALID', {
      detail:
        `HOLDFAST_TLS_CERT_FILE=${files.tlsCertFile} and HOLDFAST_TLS_KEY_FILE=` +
        `${files.tlsKeyFile} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}.`,
      wayOut:
        'They are not taken into use. Name a certificate and the key that belongs to it, as PEM.',
      cause,
    });
  }
}
