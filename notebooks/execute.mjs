// Runs notebooks without a screen: `node notebooks/execute.mjs [--write | --install] [name…]`. A cell that fails, fails this.
// Jupyter is Debian's. Deno, for the kernel, and DuckDB and altair, for Python, are installed in a cache outside the
// project, in the versions below. With --write, the outputs go into the notebooks;
// with --install, nothing is run.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const DENO = "2.9.6";
const PACKAGES = ["duckdb==2.0.1", "altair==6.3.0"];
/** Debian's: it finds the modules that Debian installs. */
const JUPYTER = "/usr/bin/jupyter";
const PYTHON = "/usr/bin/python3";
/** For a cell; a whole notebook takes a minute on a quiet machine. */
const MOST_SECONDS = 600;
const MOST_OUTPUT_BYTES = 200_000;

const here = dirname(fileURLToPath(import.meta.url));
const cache = process.env.TANDEM_NOTEBOOKS ?? join(homedir(), ".cache", "tandem", "notebooks");
const write = process.argv.includes("--write");
const asked = process.argv.slice(2).filter((word) => !word.startsWith("--"));

const missing = whatIsMissing();
if (missing !== null) {
  console.log(`notebooks: skipped: ${missing}`);
  process.exit(write ? 1 : 0);
}
const deno = installDeno();
const packages = installPackages();
if (process.argv.includes("--install")) process.exit(0);
const scratch = mkdtempSync(join(tmpdir(), "tandem-notebooks-"));
let failed = 0;
try {
  addKernel();
  const all = readdirSync(here).filter((name) => name.endsWith(".ipynb"));
  for (const name of all.filter(
    (one) => asked.length === 0 || asked.some((word) => one.includes(word)),
  )) {
    if (!execute(name)) failed++;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;

function whatIsMissing() {
  if (!existsSync(JUPYTER))
    return "no jupyter: apt-get install jupyter-nbconvert python3-ipykernel";
  if (spawnSync(JUPYTER, ["nbconvert", "--version"]).status !== 0) return "no jupyter-nbconvert";
  if (!existsSync(join(here, "../dist/library/index.js"))) return "nothing is built: npm run build";
  return null;
}

function installDeno() {
  const folder = join(cache, `deno-${DENO}`);
  const program = join(folder, "node_modules/.bin/deno");
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    const install = ["install", "--no-audit", "--no-fund", "--silent", "--prefix", folder];
    run("npm", [...install, `deno@${DENO}`]);
  }
  return program;
}

/** Null where it is not to be had: the Python notebook says so, and asks `tandem query` alone. */
function installPackages() {
  const folder = join(cache, PACKAGES.join("-").replaceAll("==", "-"));
  if (existsSync(folder)) return folder;
  const install = ["-m", "pip", "install", "--quiet", "--only-binary=:all:", "--target", folder];
  const { status } = spawnSync(PYTHON, [...install, ...PACKAGES], { stdio: "inherit" });
  if (status !== 0) rmSync(folder, { recursive: true, force: true });
  return status === 0 ? folder : null;
}

function addKernel() {
  const folder = join(scratch, "data/kernels/deno");
  mkdirSync(folder, { recursive: true });
  const argv = [deno, "jupyter", "--kernel", "--conn", "{connection_file}"];
  const kernel = { argv, display_name: "Deno", language: "typescript" };
  writeFileSync(join(folder, "kernel.json"), JSON.stringify(kernel));
}

function execute(name) {
  const start = performance.now();
  // Without the second, outputs that come late are lost without a word.
  const limits = {
    timeout: MOST_SECONDS,
    iopub_timeout: MOST_SECONDS,
    raise_on_iopub_timeout: true,
  };
  const words = Object.entries(limits).map(
    ([option, value]) => `--ExecutePreprocessor.${option}=${value === true ? "True" : value}`,
  );
  const to = ["nbconvert", "--to", "notebook", "--execute", "--output-dir", scratch];
  const { status, stderr } = spawnSync(JUPYTER, [...to, ...words, name], {
    cwd: here,
    encoding: "utf8",
    env: {
      ...process.env,
      JUPYTER_DATA_DIR: join(scratch, "data"),
      JUPYTER_RUNTIME_DIR: join(scratch, "runtime"),
      PYTHONPATH: [packages, process.env.PYTHONPATH].filter(Boolean).join(delimiter),
      PATH: `${join(here, "../node_modules/.bin")}${delimiter}${process.env.PATH}`,
    },
  });
  const seconds = (performance.now() - start) / 1000;
  const ok = status === 0;
  console.log(`${ok ? "ok" : "failed"}  ${seconds.toFixed(0).padStart(3)} s  ${name}`);
  if (!ok) {
    console.log(stderr.split("\n").slice(-30).join("\n"));
    return false;
  }
  const notebook = tidied(JSON.parse(readFileSync(join(scratch, name), "utf8")));
  const outsized = notebook.cells
    .flatMap(({ outputs = [] }) => outputs)
    .map((one) => JSON.stringify(one).length);
  const largest = Math.max(0, ...outsized);
  if (largest > MOST_OUTPUT_BYTES) {
    console.log(
      `failed: an output of ${name} has ${largest} bytes, more than ${MOST_OUTPUT_BYTES}`,
    );
    return false;
  }
  if (write && notebook.cells.some(showsNothing)) {
    console.log(
      `failed: an output of ${name} came after its cell's end, as on a busy machine: try again`,
    );
    return false;
  }
  if (write) writeFileSync(join(here, name), `${JSON.stringify(notebook, null, 1)}\n`);
  return true;
}

function showsNothing({ source, outputs }) {
  return /\b(chart|table|text|print)\(/.test([source].flat().join("")) && outputs?.length === 0;
}

/** Without what differs between two runs that show the same. */
function tidied(notebook) {
  const cells = notebook.cells.map(({ metadata: _, ...cell }) => {
    const outputs = cell.outputs?.filter(({ name }) => name !== "stderr");
    return { ...cell, metadata: {}, ...(outputs === undefined ? {} : { outputs }) };
  });
  const { kernelspec } = notebook.metadata;
  return { ...notebook, cells, metadata: { kernelspec } };
}

function run(program, words) {
  const { status } = spawnSync(program, words, { stdio: "inherit" });
  if (status === 0) return;
  console.log(`notebooks: ${program} ${words.join(" ")} ended with ${status}`);
  process.exit(1);
}
