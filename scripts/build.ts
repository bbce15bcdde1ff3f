import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';
import { Scalar, stringify } from 'yaml';
import { formerNames, listFormerNames } from '../src/interface/inputs/former-names.ts';
import { inputGroups } from '../src/interface/inputs/input.ts';
import { operations } from '../src/interface/inputs/operations.ts';
import { type InputName, inputNames, inputs } from '../src/interface/inputs/schema.ts';
import { type OutputName, outputNames, outputs } from '../src/interface/outputs.ts';
import { isReleased, readPin } from './pin.ts';

/**
 * Writes everything that is made from something else and committed: the bundles, their licences, both action.yml, tables of inputs, the
 * quick start in the README. `--check` writes nothing and fails when a committed file is not what would be written.
 */

const root = join(import.meta.dirname, '..');
const generatedNote =
  'Generated from src/interface/inputs/schema.ts and src/interface/outputs.ts: change those, then `npm run build`.';

const pin = readPin();
/** What `init` writes into a policy: the newest release there was when this was built */
const bundledPin = isReleased(pin) ? `${pin.action}@${pin.commit}` : '';

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/**
 * What most runs do without, each in a bundle of its own, which the others load when they need it: large packages, without which
 * the command line starts in half the time, and the server for assistants.
 */
const packagesApart = {
  '@actions/artifact': 'artifact.cjs',
  '@actions/cache': 'cache.cjs',
  '@aws-sdk/client-s3': 's3.cjs',
  nodemailer: 'mail.cjs',
};
const apart = { ...packagesApart, './mcp.ts': 'mcp.cjs' };

/** Makes an import of what is apart load the bundle beside this one. */
const leaveOut: Plugin = {
  name: 'leave out what is apart',
  setup: ({ onResolve }) => {
    for (const [name, file] of Object.entries(apart))
      onResolve({ filter: new RegExp(`^${name.replaceAll('.', '\\.')}$`) }, ({ kind }) =>
        kind === 'entry-point' ? undefined : { path: `./${file}`, external: true },
      );
  },
};

/** What the protocol's library asks of a platform is ours: its own choice brings a validator that nothing here needs. */
const ownShims: Plugin = {
  name: 'own shims of the protocol',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^@modelcontextprotocol\/server\/_shims$/ }, () => ({
      path: join(root, 'src/entry/mcp/protocol-shims.ts'),
    })),
};

const bundles = [
  { entry: 'src/entry/action.ts', file: 'dist/index.cjs', banner: '' },
  { entry: 'src/entry/cli.ts', file: 'dist/cli.cjs', banner: '#!/usr/bin/env node' },
  { entry: 'src/entry/mcp.ts', file: 'dist/mcp.cjs', banner: '#!/usr/bin/env node' },
  { entry: 'src/entry/post.ts', file: 'dist/post.cjs', banner: '' },
  ...Object.entries(packagesApart).map(([entry, file]) => ({ entry, file: `dist/${file}`, banner: '' })),
];

/** The inputs that the README shows. */
const mainInputs: readonly InputName[] = [
  ...(['operation', 'storage', 'database-url', 'target-url', 'backup-id', 'recovery-target-time'] as const),
  ...([
    'include',
    'encryption-recipients',
    'encryption-identity',
    'retention',
    'failure-issues',
    'dry-run',
  ] as const),
];

const files = new Map<string, string>([
  ['action.yml', renderCompositeAction()],
  ['dist/action.yml', renderBundledAction()],
  ...(await buildBundles()),
]);
const pages = new Map([
  [
    'README.md',
    renderPage('README.md', {
      'quick-start': renderQuickStart,
      inputs: () => renderInputTable(mainInputs),
    }),
  ],
  ['docs/inputs.md', renderPage('docs/inputs.md', { inputs: renderInputGroups })],
]);

if (process.argv.includes('--check')) {
  const stale = [...files].filter(([file, content]) => read(file) !== content).map(([file]) => file);
  for (const [file, content] of pages) {
    if (content === undefined)
      stale.push(`${file} (a place such as \`<!-- inputs -->\` … \`<!-- /inputs -->\` is missing)`);
    else if (read(file) !== content) stale.push(file);
  }
  if (stale.length > 0) {
    console.error(`stale: ${stale.join(', ')}\n→ npm run build, and commit what it wrote`);
    process.exit(1);
  }
} else {
  for (const [file, content] of pages) if (content !== undefined) files.set(file, content);
  for (const [file, content] of files) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), content);
    if (content.startsWith('#!')) await chmod(join(root, file), 0o755);
    console.log(`${file}  ${(Buffer.byteLength(content) / 1e6).toFixed(2)} MB`);
  }
}

/**
 * CommonJS, because dependencies `require` Node's modules at run time, which an ES module bundle cannot. Names are kept, for stack
 * traces that people can read and report.
 */
async function buildBundles(): Promise<[string, string][]> {
  const packages = new Map<string, string>();
  const built: [string, string][] = [];
  for (const { entry, file, banner } of bundles) {
    const result = await build({
      absWorkingDir: root,
      entryPoints: [entry],
      outfile: file,
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      format: 'cjs',
      // Older than what we run on, so that an old Node can parse as far as src/entry/process/node-version.ts.
      target: 'node20',
      legalComments: 'none',
      define: { BUNDLED_VERSION: JSON.stringify(version), BUNDLED_PIN: JSON.stringify(bundledPin) },
      banner: { js: banner },
      logLevel: 'warning',
      // A package that asks for its own path would start with `undefined` in a CommonJS bundle.
      logOverride: { 'empty-import-meta': 'error' },
      plugins: [leaveOut, ownShims],
    });
    const [output] = result.outputFiles;
    if (output === undefined) throw new Error(`esbuild wrote nothing for ${entry}`);
    built.push([file, output.text]);
    for (const [name, folder] of findPackages(result.metafile)) packages.set(name, folder);
  }
  return [...built, ['dist/licenses.txt', renderLicenses(packages)]];
}

/** The folders of the packages that a bundle contains. */
function findPackages(metafile: Metafile): Map<string, string> {
  const folders = Object.keys(metafile.inputs).flatMap(
    (path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
  );
  return new Map(folders.map((folder) => [describePackage(folder).title, folder]));
}

function describePackage(folder: string): { title: string; license: string } {
  const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  return { title: `${name} ${version}`, license: String(license ?? 'no license named') };
}

function renderLicenses(packages: ReadonlyMap<string, string>): string {
  const sections = [...packages].sort().map(([title, folder]) => {
    const texts = readdirSync(join(root, folder))
      .filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
      .sort()
      .map((file) =>
        readFileSync(join(root, folder, file), 'utf8')
          .replaceAll('\r\n', '\n')
          .trim(),
      );
    return [`${title} (${describePackage(folder).license})`, ...texts].join('\n\n');
  });
  return `The bundles in this folder contain these packages.\n\n${sections.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

/** What users refer to. */
function renderCompositeAction(): string {
  return renderYaml({
    name: 'Supabase Backup',
    description: 'Backups of a Supabase Postgres database that are proven by a restore',
    author: 'supabase-backup contributors',
    branding: { icon: 'database', color: 'green' },
    inputs: describeInputs(),
    outputs: describeOutputs((name) => ({ value: `\${{ steps.run.outputs.${name} }}` })),
    runs: {
      using: 'composite',
      // A JavaScript action of this repository at the same commit; a run step would get neither the runner's Node nor its tokens.
      steps: [
        {
          id: 'run',
          uses: '$/dist',
          with: Object.fromEntries(
            [...inputNames, ...listFormerNames()].map((name) => [name, `\${{ inputs.${name} }}`]),
          ),
        },
      ],
    },
  });
}

/** What the composite action runs. */
function renderBundledAction(): string {
  return renderYaml({
    name: 'Supabase Backup (bundle)',
    description: 'The program behind ../action.yml, which is the one to use',
    inputs: describeInputs(),
    outputs: describeOutputs(() => ({})),
    runs: { using: 'node24', main: 'index.cjs', post: 'post.cjs' },
  });
}

function describeInputs(): Record<string, object> {
  const former = listFormerNames().map((name) => [
    name,
    { description: `The former name of \`${formerNames[name]}\`. Deprecated.` },
  ]);
  return Object.fromEntries([...inputNames.map((name) => [name, describeInput(name)]), ...former]);
}

function describeInput(name: InputName): object {
  const input = inputs[name];
  const forAll = input.operations.length === operations.length;
  return {
    description: fold(forAll ? input.description : `(${input.operations.join(', ')}) ${input.description}`),
    ...(input.required && forAll ? { required: true } : {}),
    ...(typeof input.default === 'string' ? { default: input.default } : {}),
  };
}

function describeOutputs(extend: (name: OutputName) => object): Record<string, object> {
  return Object.fromEntries(
    outputNames.map((name) => {
      const { description, operations: setBy } = outputs[name];
      return [name, { description: fold(`(${setBy.join(', ')}) ${description}`), ...extend(name) }];
    }),
  );
}

/** As a block: the same text quoted, or wrapped without marks, reads badly. */
function fold(text: string): Scalar {
  const scalar = new Scalar(text);
  scalar.type = 'BLOCK_FOLDED';
  return scalar;
}

function renderYaml(document: object): string {
  const text = stringify(document, { lineWidth: 110, singleQuote: true });
  return `# ${generatedNote}\n${text.replace(/^(branding|inputs|outputs|runs):/gm, '\n$&')}`;
}

/** A page with its parts that are made, each between `<!-- name -->` and `<!-- /name -->`; undefined when it lacks one. */
function renderPage(file: string, parts: Readonly<Record<string, () => string>>): string | undefined {
  let text = read(file) ?? '';
  for (const [name, render] of Object.entries(parts)) {
    const place = new RegExp(`(?<=<!-- ${name} -->\\n)[\\s\\S]*(?=<!-- /${name} -->)`);
    if (!place.test(text)) return undefined;
    text = text.replace(place, render);
  }
  return text;
}

function renderQuickStart(): string {
  const file = read('examples/quick-start.yml') ?? '';
  return `\`\`\`yaml\n${file.slice(file.indexOf('name: ')).trimEnd()}\n\`\`\`\n`;
}

/** The inputs of all operations, a table for each group. */
function renderInputGroups(): string {
  return Object.entries(inputGroups)
    .map(([group, title]): [string, readonly InputName[]] => [
      title,
      inputNames.filter((name) => (inputs[name].group ?? 'general') === group),
    ])
    .filter(([, names]) => names.length > 0)
    .map(([title, names]) => `## ${title}\n\n${renderInputTable(names)}`)
    .join('\n');
}

function renderInputTable(names: readonly InputName[]): string {
  const rows = names.map((name) => {
    const { operations: usedBy, default: fallback, description, required, secret } = inputs[name];
    const defaults = typeof fallback === 'object' ? Object.entries(fallback) : [['', fallback]];
    return [
      `\`${name}\`${required ? ' (required)' : ''}`,
      usedBy.length === operations.length ? 'all' : usedBy.join(', '),
      defaults
        .map(([operation, value]) => (value ? `\`${value}\`${operation ? ` (${operation})` : ''}` : ''))
        .join(', '),
      `${secret ? '**Secret.** ' : ''}${description.replaceAll('|', '\\|')}`,
    ];
  });
  const head = ['Input', 'Operations', 'Default', 'Meaning'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function read(file: string): string | undefined {
  return existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : undefined;
}
