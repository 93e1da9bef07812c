/** A command that serves a model: started, watched, restarted when it ends, stopped. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../../engine/basics/fault.ts";
import type { ImplementationDocument } from "../../scenario/schema/implementation.ts";
import { InferenceClient } from "../protocol/client.ts";
import type { ModelState } from "../protocol/hosted-models.ts";

type Settings = NonNullable<ImplementationDocument["command"]>;

const HOST = "127.0.0.1";
const POLL_MS = 50;
const FIRST_PAUSE_MS = 200;
const LAST_PAUSE_MS = 10_000;
/** After a life this long, the pauses between restarts begin anew. */
const HEALTHY_MS = 30_000;
/** Between SIGTERM and SIGKILL. */
const GRACE_S = 3;
const STDERR_TAIL = 2000;

export class ServedCommand {
  readonly #settings: Settings;
  readonly #folder: string;
  readonly #changed: (state: ModelState) => void;
  #port = 0;
  #pid = 0;
  #process: ChildProcess | null = null;
  /** How the process ended; null while it runs. */
  #how: string | null = null;
  #tail = "";
  /** When the model became ready, ms of `performance`; null while it is not. */
  #readyAt: number | null = null;
  #pauseMs = FIRST_PAUSE_MS;
  #restart: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(settings: Settings, folder: string, changed: (state: ModelState) => void) {
    this.#settings = settings;
    this.#folder = folder;
    this.#changed = changed;
  }

  /** Resolves once the model is ready. Rejects with Fault("cluster-failure") and the last output. */
  async start(): Promise<void> {
    this.#port = await freePort();
    try {
      await this.#start();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Known once it has started. */
  get address(): string {
    return `${HOST}:${this.#port}`;
  }

  /** Resident memory of the command itself. */
  memoryBytes(): number {
    return residentBytes(this.#pid);
  }

  /** Ends the process group by SIGTERM, after a grace period by SIGKILL. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#restart);
    await this.#end();
  }

  async #end(): Promise<void> {
    if (this.#process === null || this.#how !== null) return;
    const pid = this.#pid;
    const exited = once(this.#process, "exit");
    endGroup(pid, "SIGTERM");
    const force = setTimeout(() => endGroup(pid, "SIGKILL"), GRACE_S * 1000);
    await exited;
    clearTimeout(force);
  }

  async #start(): Promise<void> {
    const startedAt = performance.now();
    this.#spawn();
    const client = new InferenceClient(this.address);
    const { model, readyWithinS } = this.#settings;
    try {
      while (!(await isReady(client, model))) {
        if (this.#how !== null) {
          // The last output may still be unread.
          await setImmediate();
          throw this.#failure(`ended with ${this.#how}`);
        }
        if (performance.now() - startedAt > readyWithinS * 1000) {
          throw this.#failure(`had no ready model ${model} within ${readyWithinS} s`);
        }
        await sleep(POLL_MS);
      }
    } finally {
      client.close();
    }
    this.#readyAt = performance.now();
    if (this.#how !== null) this.#again();
  }

  #spawn(): void {
    const words = this.#settings.run.map((word) => word.replaceAll("{port}", String(this.#port)));
    const [program, ...args] = words;
    // Detached: a process group of its own, so that its children end with it.
    const child = spawn(program, args, {
      cwd: this.#folder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { pid = 0 } = child;
    this.#process = child;
    this.#pid = pid;
    this.#how = null;
    this.#tail = "";
    const keep = (text: Buffer): void => {
      this.#tail = (this.#tail + text.toString("utf8")).slice(-STDERR_TAIL);
      process.stderr.write(text);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.once("error", (error) => {
      if (pid === 0) this.#how = error.message;
    });
    const dismiss = pid === 0 ? undefined : endWithThisProcess(pid);
    child.once("exit", (code, signal) => {
      endGroup(pid, "SIGKILL");
      dismiss?.();
      this.#how = signal ?? `exit code ${code}`;
      if (this.#readyAt !== null) this.#again();
    });
  }

  /** Restarts a command that was ready, also where it does not become ready again. */
  #again(): void {
    if (this.#stopped) return;
    const readyAt = this.#readyAt ?? Number.POSITIVE_INFINITY;
    if (performance.now() - readyAt > HEALTHY_MS) this.#pauseMs = FIRST_PAUSE_MS;
    this.#readyAt = null;
    const reason = this.#failure(`ended with ${this.#how}`).message;
    this.#changed({ state: "UNAVAILABLE", reason });
    this.#restart = setTimeout(async () => {
      this.#changed({ state: "LOADING", reason: "" });
      try {
        await this.#start();
        if (this.#readyAt !== null) this.#changed({ state: "READY", reason: "" });
      } catch {
        await this.#end();
        this.#again();
      }
    }, this.#pauseMs);
    this.#pauseMs = Math.min(LAST_PAUSE_MS, 2 * this.#pauseMs);
  }

  #failure(what: string): Fault {
    const words = this.#tail.trim();
    return new Fault("cluster-failure", `\`${this.#settings.run.join(" ")}\` ${what}`, {
      hint: words === "" ? "it wrote nothing" : `its last words: ${words}`,
    });
  }
}

/** Resident memory of a process, on Linux; 0 elsewhere, or when it has ended. */
export function residentBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function endGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch {
    // The group has ended.
  }
}

/**
 * Ends the process group when this process ends, however: a shell in a group of its own waits for the
 * end of a pipe. Returns the function that dismisses the shell. Without `sh`, only `stop` ends the group.
 */
function endWithThisProcess(leader: number): () => void {
  const script = `read -r ended || { kill -TERM "-$0"; sleep ${GRACE_S}; kill -KILL "-$0"; }`;
  const shell = spawn("sh", ["-c", script, String(leader)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  let dismissed = false;
  shell.on("error", () => undefined);
  shell.stdin.on("error", () => undefined);
  shell.once("exit", () => {
    // Without its watch the command must not go on: it is restarted with a new one.
    if (!dismissed) endGroup(leader, "SIGKILL");
  });
  shell.unref();
  return () => {
    dismissed = true;
    shell.stdin.end("ended\n");
  };
}

async function isReady(client: InferenceClient, model: string): Promise<boolean> {
  try {
    return (await client.modelReady({ name: model })).ready === true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await once(server.close(), "close");
  return port;
}
