/** `tandem validate`, or another command, in a process of its own that gets Ctrl-C once its stderr says something. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MESSAGE_COSTS } from "../checks/support/message-costs.test-support.ts";

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
cluster: { replicas: { serve: 2 }, overheadProfile: messages.json }
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

interface Interruption {
  /** Default: validate. */
  readonly command?: string;
  readonly options?: readonly string[];
  /** The whole process group gets it, as from a terminal. */
  readonly group?: boolean;
  /** From the words on stderr to the signal. */
  readonly delayMs?: number;
  /** The signal comes again after each of so long. */
  readonly againMs?: number;
}

/** Results go to `out` in the folder. */
export function interrupted(
  folder: string,
  scenario: string,
  when: RegExp,
  { command = "validate", group = false, options = [], delayMs = 0, againMs }: Interruption = {},
): Promise<Interrupted> {
  writeFileSync(join(folder, "s.yaml"), scenario);
  writeFileSync(join(folder, "messages.json"), JSON.stringify(MESSAGE_COSTS));
  const results = command === "check" ? [] : ["--out", "out"];
  const words = [TANDEM, command, "s.yaml", ...results, ...options];
  const child = spawn(process.execPath, words, {
    cwd: folder,
    detached: group,
    // A command that does not end is killed, and its test fails.
    timeout: 120_000,
    killSignal: "SIGKILL",
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  let signalledMs = Number.NaN;
  let again: NodeJS.Timeout | undefined;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    if (!Number.isNaN(signalledMs) || !when.test(stderr)) return;
    signalledMs = performance.now() + delayMs;
    const pid = child.pid as number;
    const press = (): void => {
      // A command that is done before its instant gets no signal.
      if (child.exitCode === null) process.kill(group ? -pid : pid, "SIGINT");
    };
    setTimeout(() => {
      press();
      if (againMs !== undefined) again = setInterval(press, againMs);
    }, delayMs);
  });
  return new Promise((resolve) => {
    child.once("close", (code) => {
      clearInterval(again);
      resolve({ code, stdout, stderr, afterMs: performance.now() - signalledMs });
    });
  });
}
