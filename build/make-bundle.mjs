// Makes dist/bundle: the command line and the work of simulation threads as few scripts. Node needs longer to find and
// read 300 modules than a short simulation takes. Names stay whole, so that stack traces can be read.
import { readFileSync, rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { build } from "esbuild";

/** Packages inside: small, of JavaScript alone, and always needed. Others stay where they are. */
const INSIDE = ["@noble/hashes", "cli-progress", "seedrandom", "yaml", "yargs", "zod"];
const REQUIRE = `import { createRequire as $require } from "node:module";
const require = $require(import.meta.url);`;

export async function makeBundle(root) {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const packages = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  const outdir = join(root, "dist/bundle");
  rmSync(outdir, { recursive: true, force: true });
  await build({
    entryPoints: [join(root, "cli/program.ts"), join(root, "sweep/simulation-thread.ts")],
    outdir,
    entryNames: "[name]",
    chunkNames: "[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    charset: "ascii",
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "eof",
    external: packages.filter((name) => !INSIDE.includes(name)),
    banner: { js: REQUIRE },
    plugins: [ownPlace(root)],
    logLevel: "warning",
  });
}

/** `import.meta.url` stays that of the module itself: whoever looks beside it finds what is there. */
function ownPlace(root) {
  const setup = ({ onLoad }) => {
    onLoad({ filter: /\.(ts|m?js)$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      if (!text.includes("import.meta.url")) return undefined;
      const place = relative(root, path);
      const isSource = path.endsWith(".ts");
      const own = isSource ? `../${place.replace(/ts$/, "js")}` : `../../${place}`;
      const contents = text.replaceAll(
        "import.meta.url",
        `new URL("${own}", import.meta.url).href`,
      );
      return { contents, loader: isSource ? "ts" : "js", resolveDir: dirname(path) };
    });
  };
  return { name: "own-place", setup };
}
