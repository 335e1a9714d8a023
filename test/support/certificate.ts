// A self-signed certificate for 127.0.0.1, made by Node alone, so that no test needs a tool that a
// fresh machine may not have. X.509 v3 (RFC 5280) in DER (X.690): only what TLS looks at.

import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const Tag = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  explicit0: 0xa0,
  explicit3: 0xa3,
  /** iPAddress in a GeneralName. */
  ipAddress: 0x87,
} as const;

/** Object identifiers, encoded: common name, subject alternative name, ECDSA with SHA-256. */
const COMMON_NAME = Buffer.from('550403', 'hex');
const SUBJECT_ALTERNATIVE_NAME = Buffer.from('551d11', 'hex');
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');

const DAY_MS = 24 * 3600 * 1000;

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.byteLength;
  const length =
    size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >>> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return der(Tag.utcTime, Buffer.from(`${digits}Z`));
}

/** Writes certificate and key as PEM into `folder`; returns their paths. */
export function makeCertificate(folder: string): { readonly cert: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(Tag.sequence, der(Tag.objectId, ECDSA_WITH_SHA256));
  const commonName = der(Tag.utf8, Buffer.from('holdfast-test'));
  const attribute = der(Tag.sequence, der(Tag.objectId, COMMON_NAME), commonName);
  const name = der(Tag.sequence, der(Tag.set, attribute));
  const nowMs = Date.now();
  const validity = der(Tag.sequence, utcTime(nowMs - DAY_MS), utcTime(nowMs + DAY_MS));
  const addresses = der(Tag.sequence, der(Tag.ipAddress, Buffer.from([127, 0, 0, 1])));
  const extension = der(
    Tag.sequence,
    der(Tag.objectId, SUBJECT_ALTERNATIVE_NAME),
    der(Tag.octetString, addresses),
  );
  // The first byte keeps the serial number positive.
  const serial = Buffer.concat([Buffer.from([1]), randomBytes(15)]);
  const toBeSigned = der(
    Tag.sequence,
    der(Tag.explicit0, der(Tag.integer, Buffer.from([2]))),
    der(Tag.integer, serial),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(Tag.explicit3, der(Tag.sequence, extension)),
  );
  const signature = sign('sha256', toBeSigned, privateKey);
  const certificate = der(
    Tag.sequence,
    toBeSigned,
    algorithm,
    der(Tag.bitString, Buffer.from([0]), signature),
  );
  const lines = certificate.toString('base64').replaceAll(/.{64}/g, '$&\n');
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  writeFileSync(cert, `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`);
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return { cert, key };
}
