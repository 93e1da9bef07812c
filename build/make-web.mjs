// Makes dist/web: the web app as static files, for a server at any path, and among them the package's entry
// for browsers (assets/browser.js), which the page and its worker import.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import react from "@vitejs/plugin-react";
import { build as bundle } from "esbuild";
import { build } from "vite";

export async function makeWeb(root) {
  const simulator = await browserModule(root);
  const plugin = sharedSimulator(createHash("sha256").update(simulator).digest("hex").slice(0, 8));
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
  // As a server without anything to measure: gateways and proxies answer for themselves.
  writeFileSync(join(root, "dist/web/app.json"), '{"kind":"files","server":null}\n');
}

/** The digest is in the address, so that browsers may keep the file for ever. */
function sharedSimulator(digest) {
  const resolveId = (source) =>
    source.endsWith("/library/browser.ts")
      ? { id: `./browser.js?${digest}`, external: true }
      : undefined;
  return { name: "shared-simulator", enforce: "pre", resolveId };
}

/** Options of a browser bundle of the simulator, for other builds that hold it as well. */
export const BROWSER_OPTIONS = {
  bundle: true,
  platform: "browser",
  target: "es2022",
  charset: "utf8",
  minify: true,
  legalComments: "eof",
  logLevel: "warning",
  plugins: [wholeZod()],
};

/** The entry `tandem-serving/browser` with all that it needs, as one module for any browser. */
async function browserModule(root) {
  const { outputFiles } = await bundle({
    ...BROWSER_OPTIONS,
    entryPoints: [join(root, "library/browser.ts")],
    format: "esm",
    write: false,
  });
  return outputFiles[0].text;
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
