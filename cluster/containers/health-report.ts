/**
 * Tells orchestrators whether a container serves: by the standard gRPC health service, which a
 * kubelet can ask, and by a file's time, which a shell can read. A probe that starts Node takes
 * 0.15 s of processor time, and that of a worker with one core is a late batch.
 */
import { closeSync, openSync, rmSync, utimesSync } from "node:fs";
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
  readonly #server: Server | null;
  readonly #file: string | null;
  /** The port that answers health checks; null: none. */
  readonly port: number | null;

  private constructor(server: Server | null, port: number | null, file: string | null) {
    this.#server = server;
    this.#file = file;
    this.port = port;
    if (server !== null) this.#health.addToServer(server);
  }

  /** Not serving yet. Rejects with Fault("cluster-failure") when the port is taken. */
  static async open({ host, healthPort, readyFile }: HealthPlace): Promise<HealthReport> {
    if (readyFile !== null) rmSync(readyFile, { force: true });
    if (healthPort === null) return new HealthReport(null, null, readyFile);
    const server = new Server(CHANNEL);
    const port = await new Promise<number>((resolve, reject) => {
      const insecure = ServerCredentials.createInsecure();
      server.bindAsync(authority(host, healthPort), insecure, (error, bound) => {
        if (error === null) return resolve(bound);
        const hint = "choose another --health-port, or leave it out";
        reject(
          new Fault("cluster-failure", `no health checks on port ${healthPort}: ${error.message}`, {
            hint,
            cause: error,
          }),
        );
      });
    });
    return new HealthReport(server, port, readyFile);
  }

  set({ live, serves }: HealthState): void {
    this.#health.setStatus("", serves ? "SERVING" : "NOT_SERVING");
    this.#health.setStatus(LIVE_SERVICE, live ? "SERVING" : "NOT_SERVING");
    if (this.#file === null) return;
    if (serves) touch(this.#file);
    else rmSync(this.#file, { force: true });
  }

  close(): void {
    this.#server?.forceShutdown();
    if (this.#file !== null) rmSync(this.#file, { force: true });
  }
}

function touch(file: string): void {
  closeSync(openSync(file, "a"));
  const now = new Date();
  utimesSync(file, now, now);
}
