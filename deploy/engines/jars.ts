// Installs what an engine runs on from Maven: the named artefacts and all that they need at run
// time, in one folder of the checkout, which all places of the engine share. Which repository they
// come from is for Maven's own configuration to say.

import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isThere, run } from './packages.ts';

const CACHE = resolve(import.meta.dirname, '../../.engines/jars');

export type JarSet = {
  /** Of the folder; holds the version, so that another version gets another folder. */
  readonly name: string;
  /** group:artefact:version */
  readonly artefacts: readonly string[];
};

export function jarsFolder({ name }: JarSet): string {
  return join(CACHE, name);
}

/** The folder gets its name only when all of it is there. */
export async function haveJars(jars: JarSet): Promise<boolean> {
  return await isThere(jarsFolder(jars));
}

/** Does nothing where they are there. Wants `mvn` and a JDK or JRE. */
export async function installJars(jars: JarSet): Promise<void> {
  if (await haveJars(jars)) return;
  const folder = jarsFolder(jars);
  await mkdir(dirname(folder), { recursive: true });
  const partial = await mkdtemp(`${folder}.partial-`);
  try {
    const pom = join(partial, 'pom.xml');
    const output = join(partial, 'jars');
    await writeFile(pom, pomOf(jars));
    const parameters = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies'];
    parameters.push('-DincludeScope=runtime', `-DoutputDirectory=${output}`);
    await run('mvn', parameters);
    // Another one may have been quicker: its folder is as good.
    await rename(output, folder).catch(async (error: unknown) => {
      if (!(await haveJars(jars))) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

function pomOf({ name, artefacts }: JarSet): string {
  const dependencies = artefacts.map((text) => {
    const [group, artefact, version] = text.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${artefact}</artifactId><version>${version}</version></dependency>`;
  });
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>engines</groupId><artifactId>${name}</artifactId><version>1</version>
<dependencies>
${dependencies.join('\n')}
</dependencies>
</project>
`;
}
