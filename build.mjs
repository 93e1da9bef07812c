// Compiles the sources to dist/ and puts data files next to the compiled code.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { makeBundles } from "./bundle/make-bundles.mjs";

const root = dirname(fileURLToPath(import.meta.url));
const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
const compiled = spawnSync(
  process.execPath,
  [join(typescript, "bin/tsc"), "-p", join(root, "tsconfig.build.json")],
  { stdio: "inherit", cwd: root },
);

for (const folder of ["bench", "cluster", "reports", "scenarios"]) copyData(join(root, folder));
writeFileSync(
  join(root, "dist/code-digest.txt"),
  `${codeDigest()}
`,
);
const cli = join(root, "dist/cli/tandem.js");
if (existsSync(cli)) chmodSync(cli, 0o755);
if (compiled.status === 0) await makeBundles(root);
process.exitCode = compiled.status ?? 1;

/** Copies data files (protobuf definitions, fonts, other languages) below `folder` to the same place under dist/. */
function copyData(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) copyData(path);
    else if (/\.(proto|ttf|css|yaml|cpp|hpp|rs|py|mjs)$/.test(entry.name)) {
      const target = join(root, "dist", relative(root, path));
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(path, target);
    }
  }
}

/** Over the compiled code that results depend on: stored results of other code are not reused. */
function codeDigest() {
  const hash = createHash("sha256");
  for (const folder of ["core", "schedulers", "sim", "sweep"]) {
    const from = join(root, "dist", folder);
    const files = readdirSync(from, { recursive: true, encoding: "utf8" });
    for (const file of files.filter((name) => name.endsWith(".js")).sort()) {
      hash.update(file).update(readFileSync(join(from, file)));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
