// Bundles the entry `tandem-serving/browser` with all that it needs as one module for any browser.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/** What a browser bundle of the simulator needs, for other builds that hold it as well. */
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

/** The module's text. `make-web.mjs` puts it among the files of the web app, which uses it as well. */
export async function browserModule(root) {
  const { outputFiles } = await build({
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
