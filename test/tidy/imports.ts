// The import rules: layers go one way, drivers are apart, packages are used where
// docs/dependencies.md says, and nothing goes round in a circle. Type imports and dynamic imports
// count like all others: a layer that knows another's types depends on it.

import { posix } from 'node:path';
import { type Finding, type SourceFile, isCode, isTest, lineAt } from './source.ts';

const SIDE = ['base', 'config', 'telemetry'];
const LOW = ['base', 'domain', 'ports'];
const MIDDLE = ['recovery', 'history', 'cluster', 'views', 'effects', 'foresight', 'reliability'];

/**
 * What each part of the house may import beside itself. `drivers/*` stands for any one driver.
 * Parts that are not named here may not exist: a new one is a decision about the layers.
 */
const MAY_IMPORT: { readonly [part: string]: readonly string[] } = {
  base: [],
  config: ['base'],
  telemetry: ['base'],
  domain: ['base'],
  ports: ['base', 'domain'],
  ...Object.fromEntries(MIDDLE.map((part) => [part, [...LOW, ...SIDE]])),
  engine: [...LOW, ...SIDE, ...MIDDLE],
  api: [...LOW, ...SIDE, ...MIDDLE, 'engine'],
  client: ['base'],
  promotion: ['base', 'config'],
  cli: [
    'base',
    'config',
    'client',
    'recovery',
    'domain',
    'ports',
    'drivers/file',
    'promotion',
    'main',
  ],
  drivers: ['base', 'ports', 'drivers/*'],
  // The common file of all drivers of engines (drivers/engine-options.ts).
  'drivers/*': ['base', 'ports', 'drivers'],
  examples: ['base', 'client', 'bin'],
  deploy: ['base'],
};

/** Wire everything together, so they may import everything. */
const FREE = new Set(['main', 'wiring', 'bin', 'test']);

export type Import = {
  readonly specifier: string;
  readonly line: number;
  readonly offset: number;
};

const IMPORT_PATTERNS = [
  /\b(?:import|export)\b[^'";()]*?\bfrom\s*(['"])([^'"\n]+)\1/g,
  /\bimport\s*(['"])([^'"\n]+)\1/g,
  /\bimport\s*\(\s*(['"`])([^'"`\n]+)\1/g,
  /\brequire\s*\(\s*(['"])([^'"\n]+)\1/g,
  /\bnew URL\(\s*(['"])(\.[^'"\n]+\.[tj]s)\1\s*,\s*import\.meta\.url/g,
];

/** Every import of a file: static, type, re-export, dynamic, and code named by URL. */
export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = [];
  for (const pattern of IMPORT_PATTERNS) {
    for (const match of file.statements.matchAll(pattern)) {
      // Where the keyword itself is blanked, it stands inside a string and imports nothing.
      if (!/^(import|export|require|new)/.test(file.code.slice(match.index))) continue;
      const specifier = match[2] ?? '';
      const line = lineAt(file.statements, match.index);
      found.push({ specifier, line, offset: match.index });
    }
  }
  return found;
}

/** The part of the house that a file belongs to. */
export function partOf(path: string): string {
  const [top = '', folder = '', name = ''] = path.split('/');
  if (top !== 'src') return top;
  if (folder === 'main.ts') return 'main';
  // Its rooms: nobody but main.ts comes in.
  if (folder === 'main') return 'wiring';
  if (folder !== 'drivers') return folder;
  return name.endsWith('.ts') ? 'drivers' : `drivers/${name}`;
}

function ruleFor(part: string): readonly string[] | undefined {
  return MAY_IMPORT[part.startsWith('drivers/') ? 'drivers/*' : part];
}

function isAllowed(source: string, target: string): boolean {
  const allowed = ruleFor(source) ?? [];
  return (
    source === target ||
    allowed.includes(target) ||
    (target.startsWith('drivers/') && allowed.includes('drivers/*'))
  );
}

function target(file: SourceFile, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(file.path), specifier));
}

export function importDirections(files: readonly SourceFile[]): Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    const part = partOf(file.path);
    if (!isCode(file.path) || isTest(file.path) || FREE.has(part)) continue;
    if (!file.path.includes('/')) continue;
    if (ruleFor(part) === undefined) {
      const mend = 'put the file in a folder of DESIGN 4, or give the new folder its layer here';
      findings.push({
        path: file.path,
        line: 1,
        rule: `${part}/ has no place in the layers`,
        mend,
      });
      continue;
    }
    for (const { specifier, line } of importsOf(file)) {
      if (!specifier.startsWith('.')) continue;
      const other = partOf(target(file, specifier));
      if (isAllowed(part, other)) continue;
      const allowed = (ruleFor(part) ?? []).join(', ') || 'nothing but itself';
      findings.push({
        path: file.path,
        line,
        rule: `${part} may not import ${other}`,
        mend: `${part} imports ${allowed}: pass it in, or move what both need further down`,
      });
    }
  }
  return findings;
}

/** `@scope/name/sub` and `name/sub` without what follows the package's name. */
export function packageName(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

/** Packages and where they may be imported, as the table of docs/dependencies.md says. */
export type PackagePlaces = ReadonlyMap<string, readonly string[]>;

/** Rows look like: | `name` | `src/api`, `src/config` | what for | what else was looked at | */
export function packagePlaces(dependenciesMarkdown: string): Map<string, string[]> {
  const places = new Map<string, string[]>();
  for (const line of dependenciesMarkdown.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const name = /^`([^`]+)`$/.exec(cells[1] ?? '')?.[1];
    if (name === undefined) continue;
    places.set(
      name,
      [...(cells[2] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''),
    );
  }
  return places;
}

export function packageImports(files: readonly SourceFile[], places: PackagePlaces): Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    if (!isCode(file.path) || isTest(file.path)) continue;
    for (const { specifier, line } of importsOf(file)) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
      const name = packageName(specifier);
      const allowed = places.get(name);
      if (allowed?.some((place) => file.path === place || file.path.startsWith(`${place}/`))) {
        continue;
      }
      const rule = `the package ${name} may not be imported here`;
      const mend =
        allowed === undefined
          ? `write ${specifier} as node:${specifier} if it is Node's; otherwise it needs a line`
          : `docs/dependencies.md allows it in ${allowed.join(', ') || 'no source file'}`;
      findings.push({ path: file.path, line, rule, mend });
    }
  }
  return findings;
}

/** Circles among files, each told once, at the file that comes first by name. */
export function importCycles(files: readonly SourceFile[]): Finding[] {
  const edges = new Map<string, string[]>();
  for (const file of files) {
    if (!isCode(file.path)) continue;
    const relative = importsOf(file).filter(({ specifier }) => specifier.startsWith('.'));
    edges.set(
      file.path,
      relative.map(({ specifier }) => target(file, specifier)),
    );
  }
  const findings: Finding[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path);
    if (seenAt !== -1) {
      const circle = [...trail.slice(seenAt), path].join(' -> ');
      const mend = 'move what both need into a file of its own';
      findings.push({ path, line: 1, rule: `imports go round: ${circle}`, mend });
      return;
    }
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) walk(path, []);
  return findings;
}
