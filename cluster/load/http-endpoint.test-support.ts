/** An HTTP endpoint of the tests' own, on a real socket. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { listening } from "../../checks/support/listening.test-support.ts";
import type { WorkloadDocument } from "../../scenario/schema/scenario.ts";
import { workloadSchema } from "../../scenario/schema/workload.ts";
import { NO_ACCESS } from "../security/client-access.ts";
import { type LoadOptions, runLoad } from "./run-load.ts";
import type { LoadResult } from "./specification.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** Serves while `use` runs. */
export async function withEndpoint<T>(
  handler: Handler,
  use: (url: string) => Promise<T>,
): Promise<T> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => handler(request, response, Buffer.concat(parts)));
  });
  try {
    return await use(`http://127.0.0.1:${await listening(server)}/endpoint`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** Drives it with a workload as a scenario would write it. */
export function drive(
  url: string,
  workload: object,
  options: Partial<LoadOptions> = {},
): Promise<LoadResult> {
  return runLoad({
    target: {
      kind: "http",
      endpoints: [
        { url, headers: { "content-type": "text/plain" }, bodies: [Buffer.from("hello")] },
      ],
      method: "POST",
      connections: 1024,
      access: NO_ACCESS,
    },
    pipelines: [{ name: "endpoint", share: 1 }],
    workload: parsed(workload),
    seed: "1/0",
    ...options,
  });
}

export function parsed(workload: object): WorkloadDocument {
  return workloadSchema.parse(workload);
}

/** Drives an endpoint that answers each request after 2 ms. */
export function driveQuick(workload: object): Promise<LoadResult> {
  return withEndpoint(
    (_request, response) => void setTimeout(() => response.end("fine"), 2),
    (url) => drive(url, workload),
  );
}

/** Clients that give up after 150 ms and try again twice, unless `more` says otherwise. */
export function retrying(more: object, requests = 20): object {
  const client = { timeoutMs: 150, retries: 2, backoffMs: 20, ...more };
  return { arrivals: "deterministic", ratePerS: 50, requests, client };
}
