/** `doctor`: the parts that work on this machine, and the way to get the others. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";
import { probeHost } from "../calibration/host.ts";
import { LLAMA_CPP_VERSION, loadLlamaCpp } from "../models/llama-cpp.ts";
import { loadOnnxRuntime } from "../models/session.ts";
import { KNOWN_WEIGHTS, weightsPath } from "../models/weights.ts";

export interface Finding {
  readonly name: string;
  /**
   * `missing`: nothing works without it. `absent`: only its purpose does not. `doubtful`: works, with
   * a caveat.
   */
  readonly state: "ok" | "doubtful" | "absent" | "missing";
  readonly found: string;
  readonly purpose: string;
  /** Where the state is not `ok`: the next step. */
  readonly hint?: string;
}

const COMMAND_MS = 10_000;
const GIB = 2 ** 30;
const LEAST_MEMORY_GIB = 2;
const LEAST_DISK_GIB = 1;
const LEAST_NODE = [20, 19] as const;
/** A quiet machine's are a few tenths of a millisecond late; beyond this, loads and replays are. */
const MOST_LATE_MS = 3;
const TIMERS = 200;
const PROBE_S = 2;

/** First line of what a program prints; undefined where it is missing or fails. */
async function told(program: string, ...args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: COMMAND_MS }, (error, stdout, stderr) => {
      const [line] = `${stdout}\n${stderr}`.trim().split("\n");
      resolve(error === null ? line : undefined);
    });
  });
}

/** A program on the path, by what it prints of itself. */
function program(
  name: string,
  command: readonly [string, ...string[]],
  purpose: string,
  hint: string,
): () => Promise<Finding> {
  return async () => {
    const found = await told(...command);
    if (found !== undefined) return { name, state: "ok", found, purpose };
    return { name, state: "absent", found: `\`${command.join(" ")}\` fails`, purpose, hint };
  };
}

export function nodeFinding(version: string): Finding {
  const [major, minor] = version.replace("v", "").split(".").map(Number);
  const enough = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  const least = LEAST_NODE.join(".");
  const finding = { name: "Node", found: version, purpose: "runs everything" };
  if (enough) return { ...finding, state: "ok" };
  return { ...finding, state: "missing", hint: `install Node ${least} or later from nodejs.org` };
}

async function ports(): Promise<Finding> {
  const purpose = "gateway and workers listen on free ports of 127.0.0.1";
  const failure = await new Promise<Error | null>((done) => {
    const server = createServer();
    server.once("error", done);
    server.listen(0, "127.0.0.1", () => server.close(() => done(null)));
  });
  if (failure === null) return { name: "ports", state: "ok", found: "127.0.0.1 listens", purpose };
  const hint = "allow programs to listen on the loopback interface; simulations need no port";
  return { name: "ports", state: "doubtful", found: failure.message, purpose, hint };
}

async function processors(): Promise<Finding> {
  const count = availableParallelism();
  const model = cpus()[0]?.model ?? "of unknown model";
  const finding = {
    name: "processors",
    found: `${count} × ${model}`,
    purpose: "simulate on threads; gateway, load and workers side by side",
  };
  if (count > 1) return { ...finding, state: "ok" };
  const hint = "validate where there are two or more: here load and gateway delay each other";
  return { ...finding, state: "doubtful", hint };
}

async function memory(): Promise<Finding> {
  const limit = process.constrainedMemory() ?? 0;
  const total = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  const available = Math.min(total, availableMemory());
  const finding = {
    name: "memory",
    found: `${gib(available)} available of ${gib(total)}`,
    purpose: "each replica is a process with its model",
  };
  if (available > LEAST_MEMORY_GIB * GIB) return { ...finding, state: "ok" };
  return { ...finding, state: "doubtful", hint: "end other programs, or deploy fewer replicas" };
}

/** Linux counts what caches would give back; elsewhere it is what is free. */
function availableMemory(): number {
  try {
    const [, kb] = /^MemAvailable:\s+(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
    return kb === undefined ? freemem() : Number(kb) * 1024;
  } catch {
    return freemem();
  }
}

async function disk(): Promise<Finding> {
  const { bavail, bsize } = await statfs(".");
  const free = bavail * bsize;
  const finding = {
    name: "disk",
    found: `${gib(free)} free in ${resolve(".")}`,
    purpose: "results; the demo's models take 33 MB",
  };
  if (free > LEAST_DISK_GIB * GIB) return { ...finding, state: "ok" };
  return { ...finding, state: "doubtful", hint: "make room, or work in another folder" };
}

/** How late timers of 1 ms fire, and what hypervisor and others take meanwhile. */
async function timers(): Promise<Finding> {
  const late: number[] = [];
  for (let i = 0; i < TIMERS; i++) {
    const start = performance.now();
    await new Promise((done) => setTimeout(done, 1));
    late.push(performance.now() - start - 1);
  }
  const p95 = late.sort((a, b) => a - b)[Math.floor(0.95 * TIMERS)];
  const finding = {
    name: "timers",
    found: `a wait of 1 ms ends ${p95.toFixed(1)} ms late or less in 95% of cases`,
    purpose: "arrivals and replayed times at their instant",
  };
  if (p95 <= MOST_LATE_MS) return { ...finding, state: "ok" };
  return { ...finding, state: "doubtful", hint: "end what else keeps the processors busy" };
}

async function quietness(): Promise<Finding> {
  const { reasons, unknown, stealRatio, othersRatio, longestStallMs } = await probeHost({
    seconds: PROBE_S,
  });
  const share = (ratio: number | null): string =>
    ratio === null ? "unknown" : `${(100 * ratio).toFixed(1)}%`;
  const figures = `steal ${share(stealRatio)}, other programs ${share(othersRatio)}, longest stall ${longestStallMs.toFixed(0)} ms`;
  const finding = {
    name: "quiet host",
    found: [figures, ...reasons, ...unknown].join("; "),
    purpose: "real runs that can be judged",
  };
  if (reasons.length === 0) return { ...finding, state: "ok" };
  const hint = "validate at a quieter time, or on a machine of its own; simulations do not mind";
  return { ...finding, state: "doubtful", hint };
}

async function onnxRuntime(): Promise<Finding> {
  const finding = { name: "ONNX Runtime", purpose: "real models: calibrate, cluster up, the demo" };
  try {
    const { env, listSupportedBackends } = await loadOnnxRuntime();
    const providers = listSupportedBackends().filter(({ bundled }) => bundled);
    const found = `${env.versions.node}, providers ${providers.map(({ name }) => name).join(", ")}`;
    return { ...finding, state: "ok", found };
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    return { ...finding, state: "absent", found: message, hint: hint ?? "see docs/backends.md" };
  }
}

async function llamaCpp(): Promise<Finding> {
  const finding = { name: "llama.cpp", purpose: "language models for real: `--backend engines`" };
  try {
    await loadLlamaCpp();
    const known = KNOWN_WEIGHTS.filter((name) => existsSync(weightsPath(name)));
    const weights =
      known.length === 0 ? "no weights yet: the first run fetches them" : known.join(", ");
    return { ...finding, state: "ok", found: `node-llama-cpp ${LLAMA_CPP_VERSION}; ${weights}` };
  } catch (error) {
    const { message, hint = "" } = error as Error & { hint?: string };
    return { ...finding, state: "absent", found: message, hint: `${hint} (83 MB)` };
  }
}

/** A package of native code, which some platforms lack. */
function native(name: string, module: string, purpose: string): () => Promise<Finding> {
  return async () => {
    try {
      createRequire(import.meta.url)(module);
      return { name, state: "ok", found: `${module} loads`, purpose };
    } catch (error) {
      const [found] = (error as Error).message.split("\n", 1);
      const hint = `\`npm install ${module}\` where it is built for ${process.platform} ${process.arch}`;
      return { name, state: "absent", found, purpose, hint };
    }
  };
}

async function nvidia(): Promise<Finding> {
  const query = "--query-gpu=name,memory.total,driver_version";
  const found = await told("nvidia-smi", query, "--format=csv,noheader");
  const finding = { name: "NVIDIA GPU", purpose: "models on the provider cuda" };
  if (found !== undefined) return { ...finding, state: "ok", found };
  const hint = "install NVIDIA's driver where there is such a GPU; models run on the CPU without";
  return { ...finding, state: "absent", found: "`nvidia-smi` fails", hint };
}

const CUDA_LIBRARIES = ["libcudart.so.12", "libcublas.so.12", "libcudnn.so.9"];

async function cuda(): Promise<Finding> {
  const lacking = (await Promise.all(CUDA_LIBRARIES.map(lacks))).flat();
  if (!hasCudaProvider()) lacking.push("ONNX Runtime's libonnxruntime_providers_cuda.so");
  const finding = { name: "CUDA, cuDNN", purpose: "models on the provider cuda" };
  if (lacking.length === 0) return { ...finding, state: "ok", found: CUDA_LIBRARIES.join(", ") };
  const hint =
    "install CUDA 12 and cuDNN 9; `ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install` fetches ONNX Runtime's part";
  return { ...finding, state: "absent", found: `without ${lacking.join(", ")}`, hint };
}

function hasCudaProvider(): boolean {
  try {
    const entry = createRequire(import.meta.url).resolve("onnxruntime-node");
    const folder = join(dirname(entry), "../bin/napi-v6", process.platform, process.arch);
    return existsSync(join(folder, "libonnxruntime_providers_cuda.so"));
  } catch {
    return false;
  }
}

/** The library itself where the loader would not find it. */
async function lacks(library: string): Promise<readonly string[]> {
  const folders = (process.env.LD_LIBRARY_PATH ?? "").split(":").filter((path) => path !== "");
  if (folders.some((folder) => existsSync(join(folder, library)))) return [];
  const known = await new Promise<string>((done) => {
    execFile("/sbin/ldconfig", ["-p"], { timeout: COMMAND_MS }, (_, stdout) => done(stdout));
  });
  return known.includes(library) ? [] : [library];
}

async function vulkan(): Promise<Finding> {
  const drivers = vulkanDrivers();
  const lacking = [
    ...(await lacks("libvulkan.so.1")),
    ...(drivers.length === 0 ? ["a Vulkan driver"] : []),
  ];
  const finding = { name: "Vulkan", purpose: "models on the provider webgpu" };
  if (lacking.length === 0) return { ...finding, state: "ok", found: drivers.join(", ") };
  const hint =
    "on Debian 13 `apt install libvulkan1 mesa-vulkan-drivers`, elsewhere the GPU's driver; see docs/backends.md";
  return { ...finding, state: "absent", found: `without ${lacking.join(", ")}`, hint };
}

function vulkanDrivers(): readonly string[] {
  const named = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES;
  if (named !== undefined) return named.split(":").filter((path) => existsSync(path));
  const folders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];
  return folders.flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [],
  );
}

async function chromium(): Promise<Finding> {
  const finding = { name: "Chromium", purpose: "only this project's tests of the report" };
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    const found = await told(name, "--version");
    if (found !== undefined) return { ...finding, state: "ok", found };
  }
  return {
    ...finding,
    state: "absent",
    found: "no chromium on the path",
    hint: "`apt install chromium`; any browser opens a report",
  };
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}

/** In the order of the answer; those that watch the machine come after them, undisturbed. */
const CHECKS: readonly (() => Promise<Finding>)[] = [
  async () => nodeFinding(process.version),
  program(
    "npm",
    ["npm", "--version"],
    "installs packages; the models' weights come the same way",
    "install npm: it comes with Node from nodejs.org",
  ),
  processors,
  memory,
  disk,
  ports,
  native("Parquet", "@duckdb/node-api", "results as Parquet, `query`, Parquet traces"),
  native("pictures", "sharp", "photographs in, and scenes drawn for the demo"),
  native("PNG charts", "@resvg/resvg-js", "`report` writes each chart as PNG too"),
  onnxRuntime,
  llamaCpp,
  nvidia,
  cuda,
  vulkan,
  program(
    "Docker",
    ["docker", "version", "--format", "{{.Server.Version}}"],
    "gateway and workers in containers: `deploy compose`",
    "see docs.docker.com/engine/install, and start its daemon",
  ),
  program(
    "ssh",
    ["ssh", "-V"],
    "workers on machines of an inventory, `--on`",
    "install an OpenSSH client",
  ),
  program(
    "Slurm",
    ["sbatch", "--version"],
    "sweeps as jobs of a cluster: `simulate --on`",
    "run on a login node of the cluster",
  ),
  program(
    "kubectl",
    ["kubectl", "version", "--client"],
    "sweeps as jobs in Kubernetes: `simulate --on`; servers there, for `load` and `external`",
    "see kubernetes.io/docs/tasks/tools",
  ),
  chromium,
];

/** Looks at all parts; takes three to five seconds, most of them to watch the host. */
export async function doctor(): Promise<readonly Finding[]> {
  const findings = await Promise.all(CHECKS.map((check) => check()));
  return [...findings, await timers(), await quietness()];
}
