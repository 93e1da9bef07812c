/**
 * Tells orchestrators whether a container serves: by the standard gRPC health service, which a
 * kubelet can ask, and by a file's time, which a shell can read. A probe that starts Node takes
 * 0.15 s of processor time, and that of a worker with one core is a late batch.
 */
import { closeSync, openSync, rmSync, utimesSync } from "node:fs";
import { promisify } from "node:util";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { Fault } from "../../core/fault.ts";
import { authority } from "../security/bind-address.ts";

/** Name of the health service for "the process lives"; "" is "it serves". */
export const LIVE_SERVICE = "live";

interface HealthState {
  readonly live: boolean;
  readonly serves: boolean;
}

interface HealthPlace {
  readonly host: string;
  readonly healthPort: number | null;
  readonly readyFile: string | null;
}

/** A health check is a few bytes. */
const CHANNEL = {
  "grpc.max_receive_message_length": 4096,
  "grpc.max_concurrent_streams": 16,
  "grpc.max_connection_idle_ms": 60_000,
};

export class HealthReport {
  readonly #health = new HealthImplementation({ "": "NOT_SERVING", [LIVE_SERVICE]: "SERVING" });
  readonly #server = new Server(CHANNEL);
  readonly #file: string | null;

  private constructor(file: string | null) {
    this.#file = file;
  }

  /** Not serving yet. Rejects with Fault("cluster-failure") when the port is taken. */
  static async open({ host, healthPort, readyFile }: HealthPlace): Promise<HealthReport> {
    if (readyFile !== null) rmSync(readyFile, { force: true });
    const report = new HealthReport(readyFile);
    if (healthPort !== null) await report.#listen(host, healthPort);
    return report;
  }

  async #listen(host: string, port: number): Promise<void> {
    this.#health.addToServer(this.#server);
    const bind = promisify(this.#server.bindAsync.bind(this.#server));
    try {
      await bind(authority(host, port), ServerCredentials.createInsecure());
    } catch (cause) {
      const message = `no health checks on port ${port}: ${(cause as Error).message}`;
      const hint = "choose another --health-port, or leave it out";
      throw new Fault("cluster-failure", message, { hint, cause });
    }
  }

  set({ live, serves }: HealthState): void {
    this.#health.setStatus("", serves ? "SERVING" : "NOT_SERVING");
    this.#health.setStatus(LIVE_SERVICE, live ? "SERVING" : "NOT_SERVING");
    if (this.#file === null) return;
    if (serves) touch(this.#file);
    else rmSync(this.#file, { force: true });
  }

  close(): void {
    this.#server.forceShutdown();
    if (this.#file !== null) rmSync(this.#file, { force: true });
  }
}

function touch(file: string): void {
  closeSync(openSync(file, "a"));
  const now = new Date();
  utimesSync(file, now, now);
}
