// The release that runs, from the package that it was started from.

import { readFileSync } from 'node:fs';

export function releaseVersion(): string {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  const { version } = manifest as { readonly version: string };
  return version;
}
