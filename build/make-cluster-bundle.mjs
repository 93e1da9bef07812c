// Makes dist/worker-bundle: what a worker on another machine is, without native parts and without traces.
// `cluster/machines/shipment.ts` sends it; `manifest.json` names its files.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { build } from "esbuild";

const FOLDER = "dist/worker-bundle";
/** The process, and the threads that it starts. */
const ENTRIES = ["worker/main", "worker/model-thread", "time/precise-timer"];
/** Native parts, which real models need, and what no such worker is asked for. */
const ELSEWHERE = ["onnxruntime-node", "sharp", "@opentelemetry/*"];
/** Files that packages look for beside their code. */
const PROTOS = ["grpc-health-check/proto", "@grpc/reflection/build/proto"];

/** Every output stands two folders below the bundle's, as in dist/. */
const BANNER = `import { createRequire as $require } from "node:module";
import { fileURLToPath as $path } from "node:url";
const require = $require(import.meta.url);
const $place = (folder) => $path(new URL("../../packages/" + folder, import.meta.url));`;

export async function makeWorkerBundle(root) {
  const outdir = join(root, FOLDER);
  rmSync(outdir, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: ENTRIES.map((name) => `cluster/${name}.ts`),
    outdir,
    outbase: root,
    chunkNames: "cluster/chunks/[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    charset: "ascii",
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "eof",
    external: ELSEWHERE,
    banner: { js: BANNER },
    plugins: [packagePlaces(root)],
    logLevel: "warning",
  });
  copy(join(root, "cluster/proto"), join(outdir, "cluster/proto"));
  for (const folder of PROTOS) {
    copy(join(root, "node_modules", folder), join(outdir, "packages", folder));
  }
  writeFileSync(join(outdir, "package.json"), '{"type":"module"}\n');
  const files = filesBelow(outdir);
  writeFileSync(join(outdir, "manifest.json"), `${JSON.stringify({ files })}\n`);
}

/** Modules of CommonJS lose their folder in a bundle: it becomes one of `packages/`. */
function packagePlaces(root) {
  const modules = join(root, "node_modules");
  const setup = ({ onLoad }) => {
    onLoad({ filter: /\.js$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      if (!path.startsWith(modules) || !/\b__dirname\b/.test(text)) return undefined;
      const folder = relative(modules, dirname(path)).replaceAll("\\", "/");
      return { contents: text.replaceAll(/\b__dirname\b/g, `$place("${folder}")`), loader: "js" };
    });
  };
  return { name: "package-places", setup };
}

function copy(from, to) {
  for (const path of filesBelow(from).filter((name) => name.endsWith(".proto"))) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    copyFileSync(join(from, path), join(to, path));
  }
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .sort();
}
