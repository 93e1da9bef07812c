// Makes dist/bundle: the command line and the work of simulation threads, as a few files in place of 300 modules, which
// Node needs longer to find and read than a short simulation takes. Packages stay where they are.
import { readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "esbuild";

const ENTRIES = ["cli/program.ts", "sweep/simulation-thread.ts"];

export async function makeBundle(root) {
  const outdir = join(root, "dist/bundle");
  rmSync(outdir, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: ENTRIES,
    outdir,
    entryNames: "[name]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    sourcemap: "external",
    sourcesContent: false,
    plugins: [ownPlace(root)],
    logLevel: "warning",
  });
}

/** `import.meta.url` stays that of the module itself, in dist/: it finds what is beside it. */
function ownPlace(root) {
  const setup = ({ onLoad }) => {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      if (!text.includes("import.meta.url")) return undefined;
      const own = `new URL("../${relative(root, path).replace(/ts$/, "js")}", import.meta.url).href`;
      return { contents: text.replaceAll("import.meta.url", own), loader: "ts" };
    });
  };
  return { name: "own-place", setup };
}
