/** What, besides the scenario, decides a result's last bit: the program, and what runs it. */
import { readFileSync } from "node:fs";
import { VERSION } from "./version.ts";

/** `program` is the version and, in a build, a digest of the code that results depend on. */
export function buildKey(): { readonly program: string; readonly runtime: string } {
  // V8 brings its own Math functions, whose last bits may change between versions.
  const runtime = `V8 ${process.versions.v8} ${process.arch}`;
  return { program: `${VERSION} ${codeDigest()}`, runtime };
}

/** Written by build/build.mjs beside the compiled code; there is none when running from source. */
function codeDigest(): string {
  try {
    return readFileSync(new URL("../code-digest.txt", import.meta.url), "utf8").trim();
  } catch {
    return "source";
  }
}
