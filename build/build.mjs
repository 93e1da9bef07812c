// Compiles the sources to dist/ and puts data files next to the compiled code.
// Does nothing when dist/ was built from exactly these sources: `npx tandem` and `npm test` run it each time.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const stamp = join(dist, "build-stamp.txt");

/** Data files (protobuf definitions, fonts, other languages) stand below dist/ as they do here. */
const DATA =
  /(\.(proto|ttf|css|csv|yaml|cpp|py|mjs)|Dockerfile|which-scheduler\.json|(scenarios\/models|study\/measured)\/.*\.json)$/;
const DATA_FOLDERS = ["bench", "cli", "cluster", "deploy", "reports", "scenarios", "schedulers"];
const CODE_FOLDERS = JSON.parse(readFileSync(join(root, "tsconfig.build.json"), "utf8")).include;
/** Versions of compiler and bundled packages are in npm's own list of what is installed. */
const TOOLS = ["package.json", "tsconfig.json", "tsconfig.build.json"].concat(
  ["tsconfig.types.json", "node_modules/.package-lock.json"],
  filesBelow("build", /\.mjs$/),
);
/** The entries that `exports` of package.json names. */
const LIBRARIES = ["library/index", "library/vega", "library/notebook", "library/browser"];

const code = CODE_FOLDERS.flatMap((folder) =>
  filesBelow(folder, /(?<!\.test|\.test-support)\.ts$/),
);
const web = filesBelow("web", /(?<!\.test|\.test-support)\.(tsx?|css|html|svg|json)$/);
const data = DATA_FOLDERS.flatMap((folder) => filesBelow(folder, DATA));
const compiled = code.map((path) => path.replace(/ts$/, "js"));
const made = [
  ...[...compiled, ...data, "code-digest.txt", "build-stamp.txt", "what-if.html"],
  ...["web/index.html", "web/assets/browser.js", "cluster-bundle/manifest.json"],
  ...LIBRARIES.map((path) => `types/${path}.d.ts`),
  ...["bundle/program.js", "bundle/simulation-thread.js"],
];

// Before the compiler reads them: a source that changes meanwhile is another digest next time.
const sources = digestOf(root, [...TOOLS, ...code, ...data, ...web]);
const fresh =
  existsSync(stamp) &&
  readFileSync(stamp, "utf8") === sources &&
  made.every((path) => existsSync(join(dist, path)));
if (!fresh) process.exitCode = await build();

async function build() {
  const compiler = findCompiler();
  if (compiler === null) {
    say("tandem: there is no compiler here: run `npm ci` first\n");
    return 1;
  }
  say("tandem: building dist/ from the sources; this takes 10 to 30 s\n");
  rmSync(stamp, { force: true });
  for (const config of ["tsconfig.build.json", "tsconfig.types.json"]) {
    const args = [compiler, "-p", join(root, config)];
    const { status } = spawnSync(process.execPath, args, { stdio: "inherit", cwd: root });
    if (status !== 0) return 1;
  }
  for (const path of data) {
    mkdirSync(dirname(join(dist, path)), { recursive: true });
    copyFileSync(join(root, path), join(dist, path));
  }
  removeOthers(declarations());
  const deciding = compiled.filter((path) =>
    /^(engine|scenario|results|schedulers|sim|sweep)\//.test(path),
  );
  writeFileSync(join(dist, "code-digest.txt"), `${digestOf(dist, deciding)}\n`);
  chmodSync(join(dist, "cli/tandem.js"), 0o755);
  const { makeBundle } = await import("./make-bundle.mjs");
  await makeBundle(root);
  const { makeClusterBundle } = await import("./make-cluster-bundle.mjs");
  await makeClusterBundle(root);
  const { makeWeb, makeWhatIf } = await import("./make-web.mjs");
  await makeWhatIf(root);
  await makeWeb(root);
  writeFileSync(stamp, sources);
  return 0;
}

function findCompiler() {
  try {
    const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
    return join(dirname(manifest), "bin/tsc");
  } catch {
    return null;
  }
}

/** When `npx tandem` runs `prepare`, npm hides its output: the line goes to the terminal as well. */
function say(line) {
  process.stderr.write(line);
  if (process.env.npm_lifecycle_event !== "prepare" || process.stderr.isTTY) return;
  try {
    writeFileSync("/dev/tty", line);
  } catch {
    // Without a terminal, as in continuous integration, npm's log has the line.
  }
}

/** The declarations that the libraries' own reach: the compiler writes those of all that it read. */
function declarations() {
  const reached = new Set();
  const open = LIBRARIES.map((path) => `types/${path}.d.ts`);
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    const text = readFileSync(join(dist, path), "utf8");
    for (const [, target] of text.matchAll(/(?:from |import\()"(\.[^"]+)\.ts"/g)) {
      open.push(join(dirname(path), `${target}.d.ts`).replaceAll("\\", "/"));
    }
  }
  return reached;
}

/** Removes outputs of deleted sources: npm would pack them. */
function removeOthers(types) {
  const known = new Set([...made, ...types]);
  for (const path of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    const place = path.replaceAll("\\", "/");
    // Their files have names by their contents.
    if (/^(web|bundle|cluster-bundle)\//.test(place)) continue;
    if (/\.\w+$/.test(place) && !known.has(place)) rmSync(join(dist, path));
  }
}

/** Paths from the root, with `/`, in an order that is the same everywhere. */
function filesBelow(folder, pattern) {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((path) => `${folder}/${path.replaceAll("\\", "/")}`)
    .filter((path) => pattern.test(path))
    .sort();
}

/** Over names and contents: a checkout or a copy changes neither, whatever it does to times. */
function digestOf(folder, paths) {
  const hash = createHash("sha256");
  for (const path of paths) {
    const file = join(folder, path);
    hash.update(`${path}\n`).update(existsSync(file) ? readFileSync(file) : "");
  }
  return hash.digest("hex").slice(0, 16);
}
