/** Tells one build of the worker's program from another: an image may be older than this checkout. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { entryPoint } from "../../processes/link.ts";

/** Folders of dist/ that a worker loads code from. */
const FOLDERS = ["build", "cluster", "core", "models", "schedulers"];

/** 16 hex digits over the names and contents of the compiled code below dist/. */
export function programDigest(): string {
  const dist = fileURLToPath(new URL("../../", entryPoint("worker/main")));
  const hash = createHash("sha256");
  for (const folder of FOLDERS) {
    const paths = readdirSync(join(dist, folder), { recursive: true, encoding: "utf8" });
    for (const path of paths.filter((name) => name.endsWith(".js")).sort()) {
      hash.update(`${folder}/${path}\n`).update(readFileSync(join(dist, folder, path)));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
