/** A command that serves a model: started, watched, started again when it ends, stopped. */
import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { Fault } from "../../core/fault.ts";
import type { ImplementationDocument } from "../../core/scenario/schema/implementation.ts";
import { entryPoint } from "../processes/child.ts";
import { InferenceClient } from "../protocol/client.ts";
import type { ModelState } from "../protocol/hosted-models.ts";
import type { GuardOrder, GuardWord } from "./command-guard.ts";
import { endGroup } from "./process-group.ts";

type Settings = NonNullable<ImplementationDocument["command"]>;

const HOST = "127.0.0.1";
const POLL_MS = 50;
const FIRST_PAUSE_MS = 200;
const LAST_PAUSE_MS = 10_000;
/** A command that lived so long is started again without the pauses of those that fail at once. */
const HEALTHY_MS = 30_000;
const STDERR_TAIL = 2000;

export class ServedCommand {
  readonly #settings: Settings;
  readonly #folder: string;
  readonly #port: number;
  readonly #changed: (state: ModelState) => void;
  #guard: ChildProcess | null = null;
  #pid = 0;
  #tail = "";
  #how: string | null = null;
  #pauseMs = FIRST_PAUSE_MS;
  #restart: NodeJS.Timeout | undefined;
  #stopped = false;

  private constructor(
    settings: Settings,
    folder: string,
    port: number,
    changed: (state: ModelState) => void,
  ) {
    this.#settings = settings;
    this.#folder = folder;
    this.#port = port;
    this.#changed = changed;
  }

  /** Resolves once its model is ready. Throws Fault("cluster-failure") with its last words. */
  static async start(
    settings: Settings,
    folder: string,
    changed: (state: ModelState) => void,
  ): Promise<ServedCommand> {
    const command = new ServedCommand(settings, folder, await freePort(), changed);
    try {
      await command.#start();
    } catch (error) {
      await command.stop();
      throw error;
    }
    command.#watch();
    return command;
  }

  get address(): string {
    return `${HOST}:${this.#port}`;
  }

  /** Of the command itself, as Linux tells it; 0 elsewhere. */
  memoryBytes(): number {
    try {
      const status = readFileSync(`/proc/${this.#pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }

  /** Ends it in order, then by force. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#restart);
    await this.#end();
  }

  async #end(): Promise<void> {
    const guard = this.#guard;
    if (guard === null || guard.exitCode !== null || guard.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => guard.once("exit", () => resolve()));
    guard.kill("SIGTERM");
    await ended;
  }

  async #start(): Promise<void> {
    const startedAt = performance.now();
    this.#how = null;
    this.#tail = "";
    this.#spawn();
    const client = new InferenceClient(this.address);
    const { model, readyWithinS } = this.#settings;
    try {
      while (!(await isReady(client, model))) {
        if (this.#how !== null) {
          // Its last words came before the word of its end, but perhaps are not read yet.
          await new Promise((resolve) => setImmediate(resolve));
          throw this.#failure(`ended with ${this.#how}`);
        }
        if (performance.now() - startedAt > readyWithinS * 1000) {
          throw this.#failure(`had no ready model ${model} within ${readyWithinS} s`);
        }
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    } finally {
      client.close();
    }
  }

  #spawn(): void {
    const words = this.#settings.run.map((word) => word.replaceAll("{port}", String(this.#port)));
    const [program, ...args] = words;
    const guard = fork(fileURLToPath(entryPoint("worker/command-guard")), [], {
      detached: true,
      execArgv: [],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#guard = guard;
    const keep = (text: Buffer): void => {
      this.#tail = (this.#tail + text.toString("utf8")).slice(-STDERR_TAIL);
      process.stderr.write(text);
    };
    guard.stdout?.on("data", keep);
    guard.stderr?.on("data", keep);
    guard.on("message", (word) => this.#heard(word as GuardWord));
    guard.once("exit", () => {
      // Killed without a word: what it guarded must not stay.
      endGroup(this.#pid, "SIGKILL");
      this.#how ??= "its guard was killed";
    });
    guard.send({ program, args, folder: this.#folder } satisfies GuardOrder);
  }

  #heard(word: GuardWord): void {
    if (word.kind === "started") this.#pid = word.pid;
    else this.#how = word.how;
  }

  /** Starts it again whenever its guard has ended, with growing pauses while it fails at once. */
  #watch(): void {
    const readyAt = performance.now();
    this.#guard?.once("exit", () => {
      if (this.#stopped) return;
      if (performance.now() - readyAt > HEALTHY_MS) this.#pauseMs = FIRST_PAUSE_MS;
      this.#again();
    });
    // It may have ended before anybody listened.
    const { exitCode = null, signalCode = null } = this.#guard ?? {};
    if ((exitCode !== null || signalCode !== null) && !this.#stopped) this.#again();
  }

  #again(): void {
    const reason = this.#failure(`ended with ${this.#how}`).message;
    this.#changed({ state: "UNAVAILABLE", reason });
    this.#restart = setTimeout(async () => {
      this.#changed({ state: "LOADING", reason: "" });
      try {
        await this.#start();
        this.#changed({ state: "READY", reason: "" });
        this.#watch();
      } catch {
        await this.#end();
        if (!this.#stopped) this.#again();
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

async function isReady(client: InferenceClient, model: string): Promise<boolean> {
  try {
    return (await client.modelReady({ name: model })).ready === true;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      server.close(() =>
        resolve(typeof address === "object" && address !== null ? address.port : 0),
      );
    });
  });
}
