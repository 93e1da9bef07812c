/** The files that a machine needs to run workers, with one digest: a machine gets the same files once. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, isAbsolute, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../../engine/basics/fault.ts";
import { ownFolder } from "../processes/own-folder.ts";
import type { ModelFiles } from "./machine.ts";

/** Names the files with their sums, at the root of what is sent. */
export const MANIFEST = "manifest.json";

export interface Shipment {
  /** 32 hex digits over the files' paths and contents. */
  readonly digest: string;
  /** Absolute paths here, by path there. */
  readonly files: ReadonlyMap<string, string>;
  /** JSON: sha256 by path. */
  readonly manifest: string;
  readonly bytes: number;
}

function shipmentOf(files: ReadonlyMap<string, string>): Shipment {
  const paths = [...files.keys()].sort();
  const sums = Object.fromEntries(paths.map((path) => [path, sumOf(files.get(path) as string)]));
  const manifest = JSON.stringify({ sums });
  const digest = createHash("sha256").update(manifest).digest("hex").slice(0, 32);
  const bytes = paths.reduce((sum, path) => sum + statSync(files.get(path) as string).size, 0);
  return { digest, files, manifest, bytes };
}

function sumOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

function builtFolder(name: string): string {
  const here = import.meta.url;
  return fileURLToPath(new URL(`${here.endsWith(".ts") ? "../../dist" : "../.."}/${name}/`, here));
}

/** Packages with native parts, which run graphs and read pictures. */
const NATIVE_PACKAGES = ["onnxruntime-node", "sharp"];

/**
 * The worker's program; `native`: with the parts of this system that real models need.
 * Throws Fault("not-found") where such a part is not installed.
 */
export function workerShipment(native: boolean): Shipment {
  const sent = bundleFiles("worker");
  for (const [path, from] of native ? packageFiles(NATIVE_PACKAGES) : []) sent.set(path, from);
  return shipmentOf(sent);
}

/** The gateway's program, with the web app and the solver of integer programs. */
export function gatewayShipment(): Shipment {
  const sent = bundleFiles("gateway");
  for (const [path, from] of packageFiles(["highs"])) sent.set(path, from);
  const web = builtFolder("web");
  for (const path of readdirSync(web, { recursive: true, encoding: "utf8" })) {
    if (statSync(join(web, path)).isFile()) sent.set(`web/${path}`, join(web, path));
  }
  return shipmentOf(sent);
}

function bundleFiles(program: "worker" | "gateway"): Map<string, string> {
  const folder = builtFolder("cluster-bundle");
  const programs = JSON.parse(readFileSync(join(folder, MANIFEST), "utf8"));
  const files: readonly string[] = programs[program];
  return new Map(files.map((path) => [path, join(folder, path)]));
}

/** Files of packages and of all that they need, as `node_modules/…`. */
function packageFiles(names: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const seen = new Set<string>();
  const add = (name: string, from: string, optional: boolean): void => {
    const folder = packageFolder(name, from);
    if (folder === null) {
      if (optional) return;
      throw new Fault("not-found", `the package ${name} is not installed here`, {
        hint: `\`npm install ${name}\`; without those of real models, use the replay backend`,
      });
    }
    if (seen.has(folder)) return;
    seen.add(folder);
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
      readFileSync(join(folder, "package.json"), "utf8"),
    ) as PackageManifest;
    for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      const place = path.replaceAll("\\", "/");
      if (isNeeded(place) && statSync(join(folder, path)).isFile()) {
        found.set(`node_modules/${name}/${place}`, join(folder, path));
      }
    }
    for (const needed of Object.keys(dependencies)) {
      if (!ONLY_TO_INSTALL.has(needed)) add(needed, folder, false);
    }
    for (const needed of Object.keys(optionalDependencies)) add(needed, folder, true);
  };
  const here = dirname(fileURLToPath(import.meta.url));
  for (const name of names) add(name, here, false);
  return found;
}

interface PackageManifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** onnxruntime-node's own script uses them, which never runs. */
const ONLY_TO_INSTALL = new Set(["adm-zip", "global-agent"]);
const RUN = /\.(c?js|mjs|json|node|wasm)$|\.so(\.\d+)*$/;

/** Whether a file of a package is needed to run it on this system. */
function isNeeded(place: string): boolean {
  const platform = /^bin\/napi-v\d+\/(\w+)\/(\w+)\//.exec(place);
  if (platform !== null && (platform[1] !== process.platform || platform[2] !== process.arch)) {
    return false;
  }
  return RUN.test(place) && !/(^|\/)node_modules\//.test(place);
}

function packageFolder(name: string, from: string): string | null {
  const paths = createRequire(join(from, "x.js")).resolve.paths(name) ?? [];
  const folders = paths.map((path) => join(path, name));
  return folders.find((folder) => existsSync(join(folder, "package.json"))) ?? null;
}

/**
 * The files that models read, below `scenario/` and `store/`.
 * Throws Fault("invalid-input") for one that is missing, or outside the scenario's folder.
 */
export function modelShipment({ folder, files, store }: ModelFiles): Shipment {
  const sent = new Map<string, string>();
  for (const file of files) {
    const place = normalize(file);
    if (isAbsolute(place) || place.startsWith("..")) {
      throw new Fault("invalid-input", `${file} lies outside the scenario's folder ${folder}`, {
        hint: "a model that goes to other machines keeps its files in the folder of the scenario",
      });
    }
    const from = join(folder, place);
    if (!existsSync(from)) throw new Fault("not-found", `there is no file ${from}`);
    sent.set(`scenario/${place}`, from);
    // Weights beside a graph that is too large for one file.
    for (const beside of [`${place}.data`, `${place}_data`]) {
      if (existsSync(join(folder, beside))) sent.set(`scenario/${beside}`, join(folder, beside));
    }
  }
  for (const name of store === null ? [] : readdirSync(store)) {
    sent.set(`store/${basename(store as string)}/${name}`, join(store as string, name));
  }
  return shipmentOf(sent);
}

/** Writes an archive (ustar) of the files and their manifest to `output`. Rejects with an Error. */
export async function writeArchive(
  { files, manifest }: Shipment,
  output: NodeJS.WritableStream,
): Promise<void> {
  const stage = mkdtempSync(join(ownFolder(), "shipment-"));
  try {
    for (const [path, from] of files) {
      mkdirSync(dirname(join(stage, path)), { recursive: true });
      symlinkSync(from, join(stage, path));
    }
    writeFileSync(join(stage, MANIFEST), manifest);
    await new Promise<void>((resolve, reject) => {
      const tar = spawn("tar", ["-C", stage, "-chf", "-", "."], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      tar.once("error", reject);
      tar.once("exit", (code) =>
        code === 0 ? resolve() : reject(new Error(`tar ended with ${code}`)),
      );
      tar.stdout.pipe(output);
    });
  } finally {
    rmSync(stage, { recursive: true });
  }
}
