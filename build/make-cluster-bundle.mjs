// Makes dist/cluster-bundle: the processes of a cluster, which Node starts in a third of the time that their modules
// take one by one. They share chunks. `cluster/machines/shipment.ts` sends worker or gateway to other machines, without
// native parts; `manifest.json` names the files of each.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { build } from "esbuild";

const FOLDER = "dist/cluster-bundle";
/** Entries of each process and of the threads that it starts, as files of cluster/. */
const PROGRAMS = {
  worker: ["worker/main", "worker/model-thread", "time/clock"],
  gateway: ["gateway/main", "machines/forward", "run/solver-thread", "time/clock"],
  load: ["load/main", "time/clock"],
};
/** Native parts, which real models need, and what no process elsewhere is asked for. */
const NATIVE = ["onnxruntime-node", "sharp", "@resvg/resvg-js"];
/** HiGHS looks for its WebAssembly beside its code: both stay in their package. */
const ELSEWHERE = [...NATIVE, "highs", "@peculiar/x509", "reflect-metadata", "undici"];
/** Files that packages look for beside their code. */
const PROTOS = ["grpc-health-check/proto", "@grpc/reflection/build/proto"];

/** Every output stands two folders below the bundle's, as in dist/. */
const BANNER = `import { createRequire as $require } from "node:module";
import { fileURLToPath as $path } from "node:url";
const require = $require(import.meta.url);
const $place = (folder) => $path(new URL("../../packages/" + folder, import.meta.url));`;

export async function makeClusterBundle(root) {
  const outdir = join(root, FOLDER);
  rmSync(outdir, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [...new Set(Object.values(PROGRAMS).flat())].map((entry) => ({
      in: `cluster/${entry}.ts`,
      out: `cluster/${entry}`,
    })),
    outdir,
    metafile: true,
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
    plugins: [adaptedPackages(root)],
    logLevel: "warning",
  });
  copy(join(root, "cluster/proto"), join(outdir, "cluster/proto"));
  for (const folder of PROTOS) {
    copy(join(root, "node_modules", folder), join(outdir, "packages", folder));
  }
  writeFileSync(join(outdir, "package.json"), '{"type":"module"}\n');
  const data = filesBelow(outdir).filter((path) => !path.endsWith(".js"));
  const programs = Object.entries(PROGRAMS).map(([name, entries]) => [
    name,
    [...data, ...loadedBy(entries, metafile.outputs)].sort(),
  ]);
  writeFileSync(join(outdir, "manifest.json"), `${JSON.stringify(Object.fromEntries(programs))}\n`);
}

/** The outputs that entries import, themselves included. */
function loadedBy(entries, outputs) {
  const found = new Set();
  const open = entries.map((entry) => `${FOLDER}/cluster/${entry}.js`);
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (found.has(path)) continue;
    found.add(path);
    open.push(...outputs[path].imports.filter((one) => !one.external).map((one) => one.path));
  }
  return [...found].map((path) => relative(FOLDER, path));
}

/** zod's messages in other languages: half of zod's size, and nobody asks for them. */
const OTHER_LANGUAGES = /zod\/v4\/locales\/(?!index|en\.)[\w-]+\.js$/;

/** Modules of CommonJS lose their folder in a bundle: it becomes one of `packages/`. Drops what is not asked for. */
function adaptedPackages(root) {
  const modules = join(root, "node_modules");
  const setup = ({ onLoad }) => {
    onLoad({ filter: /\.js$/ }, ({ path }) => {
      if (OTHER_LANGUAGES.test(path)) return { contents: "export default null;" };
      const text = readFileSync(path, "utf8");
      if (!path.startsWith(modules) || !/\b__dirname\b/.test(text)) return undefined;
      const folder = relative(modules, dirname(path)).replaceAll("\\", "/");
      return { contents: text.replaceAll(/\b__dirname\b/g, `$place("${folder}")`), loader: "js" };
    });
  };
  return { name: "adapted-packages", setup };
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
