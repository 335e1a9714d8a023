// Makes dist/ for the npm package: JavaScript with types and maps, since Node does not strip types
// inside node_modules; the files beside the code; and the bill of materials. `npm pack` runs it
// (prepack); a checkout never needs it.

import { execFileSync } from 'node:child_process';
import { cpSync, globSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const HOUSE = resolve(import.meta.dirname, '../..');
const DIST = join(HOUSE, 'dist');
const BESIDE_CODE = '**/*.{json,css,js,md}';

rmSync(DIST, { recursive: true, force: true });
run('tsc', '-p', 'tsconfig.build.json');
for (const path of globSync(BESIDE_CODE, { cwd: join(HOUSE, 'src') })) {
  cpSync(join(HOUSE, 'src', path), join(DIST, path));
}
writeFileSync(join(DIST, 'sbom.cdx.json'), `${JSON.stringify(billOfMaterials(), null, 2)}\n`);

type Component = {
  readonly 'bom-ref': string;
  readonly properties: readonly { readonly name: string }[];
};
type Bill = {
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
};

/**
 * What is installed with the package. `npm sbom --omit=dev` would also leave out what a package for
 * development shares with us as its peer.
 */
function billOfMaterials(): Bill {
  const bill = JSON.parse(
    run('npm', 'sbom', '--package-lock-only', '--sbom-format=cyclonedx').toString(),
  ) as Bill;
  const components = bill.components.filter(
    ({ properties }) => !properties.some(({ name }) => name === 'cdx:npm:package:development'),
  );
  const kept = new Set(components.map((component) => component['bom-ref']));
  const dependencies = bill.dependencies
    .filter(({ ref }) => kept.has(ref) || ref.startsWith('holdfast@'))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => kept.has(one)) }));
  return { ...bill, components, dependencies };
}

function run(program: string, ...parameters: readonly string[]): Buffer {
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  return execFileSync(program, parameters, { cwd: HOUSE, stdio: [...stdio] });
}
