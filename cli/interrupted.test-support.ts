/** `tandem validate` in a process of its own that gets Ctrl-C once its stderr says something. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const TANDEM = fileURLToPath(new URL("../dist/cli/tandem.js", import.meta.url));

/** Two configurations on replay. */
export const SLOW_QUEUE = queue(20);
export const SHORT_QUEUE = queue(3);

function queue(durationS: number): string {
  return `
name: queue
pipelines: { p: { tasks: { serve: { model: m } } } }
models:
  m: { service: { distribution: exponential, meanMs: 10 }, implementation: { name: no-op } }
cluster: { replicas: { serve: 2 }, network: { rttMs: 0.2 } }
workload: { arrivals: poisson, ratePerS: 40, durationS: ${durationS} }
sweep: { scheduler: [fifo, random] }
`;
}

interface Interrupted {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From the signal to the end. */
  readonly afterMs: number;
}

/** Results go to `out` in the folder. `group`: the whole process group gets it, as from a terminal. */
export function interrupted(
  folder: string,
  scenario: string,
  when: RegExp,
  { group = false, options = [] }: { group?: boolean; options?: readonly string[] } = {},
): Promise<Interrupted> {
  writeFileSync(join(folder, "s.yaml"), scenario);
  const words = [TANDEM, "validate", "s.yaml", "--out", "out", ...options];
  const child = spawn(process.execPath, words, {
    ...{ cwd: folder, detached: group },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  let signalledMs = Number.NaN;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    if (!Number.isNaN(signalledMs) || !when.test(stderr)) return;
    signalledMs = performance.now();
    process.kill(group ? -(child.pid as number) : (child.pid as number), "SIGINT");
  });
  return new Promise((resolve) => {
    child.once("close", (code) => {
      resolve({ code, stdout, stderr, afterMs: performance.now() - signalledMs });
    });
  });
}
