// Makes what `load-bundle.ts` loads: dist/build/main.cjs, its source map, and what V8 compiles of it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

/** Packages inside: small, of JavaScript alone, and always needed. Others stay where they are. */
const INSIDE = ["@noble/hashes", "cli-progress", "seedrandom", "yaml", "yargs", "zod"];
/** The one module that imports what no bundle can hold, by address. */
const IMPORTING = join("build", "import-text.ts");

/** After the compiler: what is in the bundle is read from the sources, and dist/ must have the modules. */
export async function makeBundle(root) {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const packages = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  const outfile = join(root, "dist/build/main.cjs");
  rmSync(`${outfile}.compiled`, { force: true });
  await build({
    entryPoints: [join(root, "cli/program.ts")],
    outfile,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20",
    // A script in V8's hands has no import() of its own: `require` stands for it.
    supported: { "dynamic-import": false },
    charset: "ascii",
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "eof",
    sourcemap: "external",
    sourcesContent: false,
    external: packages.filter((name) => !INSIDE.includes(name)),
    banner: { js: "(function(require,module,$here,$import){" },
    footer: { js: "})" },
    plugins: [ownPlace(root), await commandsElsewhere(root)],
    logLevel: "warning",
  });
  // esbuild leaves regular expressions as they are, and `load-bundle.ts` reads a byte as a character.
  const beyond = readFileSync(outfile).findIndex((byte) => byte > 0x7f);
  if (beyond >= 0)
    throw new Error(`${outfile}: byte ${beyond} is not ASCII: write it as an escape`);
  compileWhatCommandsUse(root);
}

/** `import.meta.url` stays that of the module itself: whoever looks beside it finds what is there. */
function ownPlace(root) {
  const setup = ({ onLoad }) => {
    onLoad({ filter: /\.(ts|m?js)$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      const source = path.endsWith(".ts");
      const place = relative(root, path);
      if (place === IMPORTING) {
        return { contents: text.replace("import(url)", "$import(url)"), loader: "ts" };
      }
      if (!text.includes("import.meta.url")) return undefined;
      const own = source ? `../${place.replace(/ts$/, "js")}` : `../../${place}`;
      const contents = text.replaceAll("import.meta.url", `new URL("${own}", $here).href`);
      return { contents, loader: source ? "ts" : "js", resolveDir: dirname(path) };
    });
  };
  return { name: "own-place", setup };
}

/** Commands that are not in the bundle are never asked of it, nor is their work in the library. */
async function commandsElsewhere(root) {
  const list = pathToFileURL(join(root, "dist/build/load-bundle.js")).href;
  const { UNBUNDLED_COMMANDS } = await import(list);
  const setup = ({ onResolve }) => {
    onResolve({ filter: /^\.\/[\w-]+\.ts$/ }, ({ path, kind, importer }) => {
      const name = /^\.\/(.+)\.ts$/.exec(path)[1];
      const from = relative(root, importer);
      const isAsked = from === join("cli", "program.ts") || from === join("library", "in-node.ts");
      const isElsewhere = isAsked && UNBUNDLED_COMMANDS.includes(name);
      if (kind !== "dynamic-import" || !isElsewhere) return undefined;
      return { path: `../${dirname(from)}/${name}.js`, external: true };
    });
  };
  return { name: "commands-elsewhere", setup };
}

/** Commands of which V8 keeps what they make it compile: each adds to the last. */
function compileWhatCommandsUse(root) {
  const scenario = (name) => join(root, "scenarios", name);
  const workload = "workload={arrivals: poisson, ratePerS: 5, requests: 500}";
  const short = ["--set", workload, "--replications", "2", "--workers", "1"];
  const scratch = mkdtempSync(join(tmpdir(), "tandem-build-"));
  const sweep = ["--set", "sweep={scheduler: [power-of-two, edf]}", "--out", scratch];
  const runs = [
    ["--help"],
    ["simulate", "--help"],
    ["check", scenario("image-analysis.yaml")],
    ["simulate", scenario("queueing/branch.yaml"), ...short],
    ["simulate", scenario("queueing/branch.yaml"), ...short, "--json"],
    ["simulate", scenario("queueing/mmc.yaml"), ...short, ...sweep],
    ["query", scratch, "select count(*) from configurations"],
  ];
  try {
    for (const run of runs) keepCompiled(root, run);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function keepCompiled(root, given) {
  const program = join(root, "build/keep-compiled.mjs");
  const { status, stderr } = spawnSync(process.execPath, [program, ...given], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${given.join(" ")}: ${stderr}`);
}
