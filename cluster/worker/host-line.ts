/** The host of a measurement in one line, for the provenance of profiles. */
import { execFile } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";
import { promisify } from "node:util";

/** One line: processor, cores, memory, system, Node version. */
export function hostLine(): string {
  const processors = cpus();
  const memoryGiB = Math.round(totalmem() / 2 ** 30);
  const model = processors[0]?.model.trim() ?? "unknown processor";
  return `${model}, ${processors.length} logical cores, ${memoryGiB} GiB, ${type()} ${release()}, Node ${process.versions.node}`;
}

const OF_GPUS: readonly string[] = ["cuda", "webgpu"];
const ASK_MS = 10_000;

/**
 * The device of a model by its provider, e.g. `cuda: NVIDIA H100 80GB HBM3, driver 550.54.15, 1980 MHz`; without
 * NVIDIA's tool the provider alone.
 */
export async function deviceLine(provider: string): Promise<string> {
  if (!OF_GPUS.includes(provider)) return provider === "cpu" ? "cpu, one thread" : provider;
  const query = "--query-gpu=name,driver_version,clocks.max.sm";
  const [gpu] = (process.env.CUDA_VISIBLE_DEVICES ?? "").split(",");
  const words = [query, "--format=csv,noheader", ...(gpu === "" ? [] : ["-i", gpu])];
  try {
    const { stdout } = await promisify(execFile)("nvidia-smi", words, { timeout: ASK_MS });
    const [name, driver, clock] = stdout.split("\n")[0].split(", ");
    return `${provider}: ${name}, driver ${driver}, ${clock}`;
  } catch {
    return provider;
  }
}
