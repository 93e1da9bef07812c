/** This build: its version, the key of its results, and its files. */

import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

/** The manifest is two levels up from dist/build and one from build. */
const manifest = require(
  import.meta.url.includes("/dist/") ? "../../package.json" : "../package.json",
);

export const VERSION = (manifest as { version: string }).version;

/**
 * Decides, besides the scenario, the last bit of results. `program` is the version and, in a build,
 * a digest of the code that results depend on.
 */
export function buildKey(): { readonly program: string; readonly runtime: string } {
  // V8 brings its own Math functions, whose last bits may change between versions.
  const runtime = `V8 ${process.versions.v8} ${process.arch}`;
  return { program: `${VERSION} ${codeDigest()}`, runtime };
}

/** A file of the build by its path in dist/, from the sources too. */
export function builtFile(path: string): URL {
  return new URL(
    import.meta.url.endsWith(".ts") ? `../dist/${path}` : `../${path}`,
    import.meta.url,
  );
}

/** The script of the command `tandem`. */
export const commandFile = (): string => fileURLToPath(builtFile("cli/tandem.js"));

/**
 * The words that run this build in `folder`. They are `npx tandem` only where npm finds this build: elsewhere npx would
 * fetch a package named `tandem`, which is not ours.
 */
export function ownCommand(folder = process.cwd()): readonly string[] {
  const own = commandFile();
  const folders = [folder];
  while (dirname(folders[0]) !== folders[0]) folders.unshift(dirname(folders[0]));
  const isOwn = (path: string): boolean =>
    existsSync(path) && realpathSync(path) === realpathSync(own);
  const project = folders.findLast((one) => existsSync(join(one, "package.json")));
  const isFound =
    (project !== undefined && isOwn(join(project, "dist/cli/tandem.js"))) ||
    folders.some((one) => isOwn(join(one, "node_modules/.bin/tandem")));
  return isFound ? ["npx", "tandem"] : ["node", own];
}

/** Written by build/build.mjs beside the compiled code; there is none when running from source. */
function codeDigest(): string {
  try {
    return readFileSync(new URL("../code-digest.txt", import.meta.url), "utf8").trim();
  } catch {
    return "source";
  }
}
