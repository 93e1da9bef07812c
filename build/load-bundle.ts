/**
 * The bundle: the command line, the simulator and all their modules as one script, which V8 takes up
 * compiled. Node needs longer to find, read and compile 300 modules than a short simulation takes.
 * `make-bundle.mjs` makes it.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";

/** Commands that draw charts: their packages have a top-level await, which no bundle can hold. */
export const UNBUNDLED_COMMANDS: readonly string[] = ["demo", "report"];

export interface Bundle {
  readonly file: string;
  readonly script: Script;
  readonly exports: unknown;
}

type Run = (
  require: NodeJS.Require,
  module: { exports: unknown },
  here: URL,
  load: (url: string) => Promise<unknown>,
) => void;

/** Runs the bundle; null where it is not made, as when running from source. */
export function loadBundle(): Bundle | null {
  const url = new URL("main.cjs", import.meta.url);
  const file = fileURLToPath(url);
  // It is ASCII: as latin1, no byte is looked at.
  const source = contentOf(file)?.toString("latin1");
  if (source === undefined) return null;
  const compiled = contentOf(compiledFile(file));
  const script = new Script(source, {
    filename: file,
    // V8 refuses what another version of it has compiled, and compiles anew.
    ...(compiled === undefined ? {} : { cachedData: compiled }),
  });
  const module = { exports: {} };
  (script.runInThisContext() as Run)(
    createRequire(file),
    module,
    url,
    (address) => import(address),
  );
  return { file, script, exports: module.exports };
}

export function compiledFile(file: string): string {
  return `${file}.compiled`;
}

function contentOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
