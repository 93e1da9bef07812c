// Makes dist/web: the web app as static files, for a server at any path, and among them the package's entry
// for browsers (assets/browser.js), which the page and its worker import; and dist/what-if.html, which reports embed.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { build as bundle } from "esbuild";
import { build } from "vite";

export async function makeWeb(root) {
  const simulator = await browserModule(root);
  const plugin = sharedSimulator(shortDigest(simulator));
  await build({
    root: join(root, "web"),
    configFile: false,
    base: "./",
    publicDir: false,
    logLevel: "warn",
    plugins: [react(), plugin, preloadPage()],
    build: {
      outDir: join(root, "dist/web"),
      emptyOutDir: true,
      // All of these have `light-dark()`, module workers and `AbortSignal.any`.
      target: ["chrome123", "firefox124", "safari17.5"],
      reportCompressedSize: false,
      // The simulator's thread is most of the build, and is said to be slow each time.
      rolldownOptions: { checks: { pluginTimings: false } },
      // React and its controls are one piece of the first load.
      chunkSizeWarningLimit: 900,
      modulePreload: { polyfill: false },
    },
    worker: { format: "es", plugins: () => [plugin] },
  });
  writeFileSync(join(root, "dist/web/assets/browser.js"), simulator);
  for (const [name, contents] of Object.entries(solverFiles(root))) {
    writeFileSync(join(root, "dist/web/assets", name), contents);
  }
  // As a server without anything to measure: gateways and proxies answer for themselves.
  writeFileSync(join(root, "dist/web/app.json"), '{"kind":"files","server":null}\n');
}

const shortDigest = (contents) => createHash("sha256").update(contents).digest("hex").slice(0, 8);

/** The digest is in the address, so that browsers may keep the file for ever. */
function sharedSimulator(digest) {
  const resolveId = (source) =>
    source.endsWith("/library/browser.ts")
      ? { id: `./browser.js?${digest}`, external: true }
      : undefined;
  return { name: "shared-simulator", enforce: "pre", resolveId };
}

/** Options of a browser bundle of the simulator. */
const BROWSER_OPTIONS = {
  bundle: true,
  platform: "browser",
  target: "es2022",
  charset: "utf8",
  minify: true,
  legalComments: "eof",
  logLevel: "warning",
  plugins: [wholeZod()],
};

/** The entry `tandem-serving/browser` with all that it needs but the solver, as one module for any browser. */
async function browserModule(root) {
  const digest = shortDigest(solverFiles(root)["highs.js"]);
  const { outputFiles } = await bundle({
    ...BROWSER_OPTIONS,
    plugins: [
      ...BROWSER_OPTIONS.plugins,
      solverAt({ path: `./highs.js?${digest}`, external: true }),
    ],
    entryPoints: [join(root, "library/browser.ts")],
    format: "esm",
    write: false,
  });
  return outputFiles[0].text;
}

/** The solver, loaded for a scheduler that asks for it. */
function solverFiles(root) {
  const folder = join(root, "node_modules/highs/build");
  const wasm = readFileSync(join(folder, "highs.wasm"));
  const address = `"highs.wasm?${shortDigest(wasm)}"`;
  const module = readFileSync(join(folder, "highs.mjs"), "utf8");
  return { "highs.js": module.replaceAll('"highs.wasm"', address), "highs.wasm": wasm };
}

/** In place of the solver in pages of one file: `embedded.ts` sets it where the page brings it, most of a report's size. */
const BROUGHT_SOLVER = `export default () => {
  if (globalThis.tandemSolver !== undefined) return globalThis.tandemSolver();
  throw new Error("this page has no solver of integer programs, since its scenario has neither proteus nor loki: name them in its sweep, or open it in \`tandem web\`");
};`;

function solverAt(place) {
  const setup = ({ onResolve, onLoad }) => {
    onResolve({ filter: /^highs$/ }, () => place);
    onLoad({ filter: /./, namespace: "brought" }, () => ({ contents: BROUGHT_SOLVER }));
  };
  return { name: "solver-at", setup };
}

/** zod's `z` is an object of everything, 40 languages included; as a namespace, unused parts fall away. */
function wholeZod() {
  const setup = ({ onLoad }) => {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      if (!text.includes('import { z } from "zod"')) return undefined;
      return {
        contents: text.replace('import { z } from "zod"', 'import * as z from "zod"'),
        loader: "ts",
      };
    });
  };
  return { name: "whole-zod", setup };
}

/** The page's code, which the entry imports, comes beside the entry. */
function preloadPage() {
  const transformIndexHtml = (_, { bundle }) => {
    const page = Object.values(bundle).find(({ facadeModuleId }) =>
      facadeModuleId?.endsWith("/app/app.tsx"),
    );
    // A set also holds what is added while it is gone through: the imports of imports.
    const files = new Set([page.fileName]);
    for (const file of files) {
      for (const next of bundle[file].imports) if (bundle[next]?.isEntry === false) files.add(next);
    }
    return [...files].map((file) => ({
      tag: "link",
      attrs: { rel: "modulepreload", href: `./${file}` },
      injectTo: "head",
    }));
  };
  return { name: "preload-page", enforce: "post", transformIndexHtml };
}

/** The page's code and the simulator's, packed. */
export async function makeWhatIf(root) {
  const folder = join(root, "web/what-if");
  const start =
    'import { mountWhatIf } from "./standalone.tsx"; window.tandemWhatIf = mountWhatIf;';
  const [page, worker, loader] = await Promise.all([
    pageBundle({ stdin: { contents: start, resolveDir: folder, loader: "ts" } }),
    pageBundle({ entryPoints: [join(folder, "simulation-worker.ts")] }),
    pageBundle({ entryPoints: [join(folder, "embedded.ts")] }),
  ]);
  const parts = { page: page.js, worker: worker.js, style: page.css };
  const packed = gzipSync(JSON.stringify(parts), { level: 9 }).toString("base64");
  const html = [
    `<script type="application/octet-stream" id="what-if-code">${packed}</script>`,
    `<script>${loader.js.replaceAll("</script", "<\\/script")}</script>\n`,
  ];
  writeFileSync(join(root, "dist/what-if.html"), html.join("\n"));
}

async function pageBundle(entry) {
  const { outputFiles } = await bundle({
    ...BROWSER_OPTIONS,
    ...entry,
    plugins: [...BROWSER_OPTIONS.plugins, solverAt({ path: "highs", namespace: "brought" })],
    outdir: "/",
    format: "iife",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    write: false,
  });
  const textOf = (ending) => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? "";
  return { js: textOf(".js"), css: textOf(".css") };
}
