/**
 * The configuration that every container of one deployment reads: the scenario with its measured
 * inputs, and the address of each worker. It holds no secret: certificates and tokens are files of
 * their own.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { compileSystem, type MeasuredInputs } from "../../core/compile.ts";
import { Fault } from "../../core/fault.ts";
import { BACKENDS } from "../../core/scenario/schema/run.ts";
import { scenarioSchema } from "../../core/scenario/schema.ts";
import type { GatewaySpecification } from "../run/specification.ts";
import type { WorkerSpecification } from "../worker/main.ts";

const SCHEMA = "tandem/service@1";

/** Ports inside the containers. */
export const PORTS = { http: 8000, grpc: 8001, worker: 9000, health: 9090 } as const;
/** Name of the health service for "the process lives"; "" is "it serves". */
export const LIVE_SERVICE = "live";

const workerSchema = z.strictObject({
  /** Also the container's host name. */
  name: z.string().min(1),
  replicas: z.array(z.string()).min(1).readonly(),
  /** As the gateway reaches it. */
  address: z.string().regex(/^[^\s:]+:\d{1,5}$/, "host:port"),
});

const configurationSchema = z.strictObject({
  schema: z.literal(SCHEMA),
  document: scenarioSchema,
  inputs: z.custom<MeasuredInputs>((value) => typeof value === "object" && value !== null),
  backend: z.enum(BACKENDS),
  seed: z.string(),
  workers: z.array(workerSchema).min(1).readonly(),
});

export type ContainerWorker = z.infer<typeof workerSchema>;
export type ServiceConfiguration = Omit<z.infer<typeof configurationSchema>, "schema">;

export function configurationText(configuration: ServiceConfiguration): string {
  return `${JSON.stringify({ schema: SCHEMA, ...configuration })}\n`;
}

/** Throws Fault("invalid-input") with all issues for a file that `tandem deploy` did not write. */
export function readConfiguration(file: string): ServiceConfiguration {
  const hint = "give the file that `tandem deploy compose` or `tandem deploy kubernetes` wrote";
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    const why = (cause as Error).message;
    throw new Fault("invalid-input", `cannot read the configuration ${file}: ${why}`, {
      hint,
      cause,
    });
  }
  const parsed = configurationSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({
    ...{ path: path.join("."), message, file },
  }));
  throw new Fault("invalid-input", `${file} is no configuration of a container`, { hint, issues });
}

/** Files that a container's role reads besides its configuration, and where it listens. */
export interface ServicePlace {
  /** Folder of certificates; null: no TLS, and loopback only. */
  readonly certificates: string | null;
  /** File of hashes of tokens; null: none. */
  readonly tokens: string | null;
  readonly host: string;
  /** The gateway's REST port, gRPC takes the next; or the worker's port. */
  readonly port: number;
}

export function gatewaySpecification(
  configuration: ServiceConfiguration,
  { certificates, tokens, host, port }: ServicePlace,
  id: string,
): GatewaySpecification {
  const { document, inputs, backend, seed, workers } = configuration;
  const numberOf = numbering(configuration);
  const replicas = workers.flatMap(({ replicas: names, address }) =>
    names.map((name) => ({ replica: numberOf(name), address })),
  );
  return {
    ...{ id, document, inputs, backend, seed, timeScale: 1, host },
    ...{ httpPort: port, grpcPort: port + 1, origins: [], security: { certificates, tokens } },
    workerCertificates: certificates,
    replicas: replicas.sort((a, b) => a.replica - b.replica),
    ...{ spareReplicas: 0, bounds: {}, controlFile: null, trace: null, record: null },
  };
}

/** Throws Fault("usage") for a worker that the configuration does not name. */
export function workerSpecification(
  configuration: ServiceConfiguration,
  { certificates, host, port }: ServicePlace,
  name: string,
): WorkerSpecification {
  const { document, inputs, backend, seed, workers } = configuration;
  const worker = workers.find((one) => one.name === name);
  if (worker === undefined) {
    throw new Fault("usage", `the configuration names no worker ${JSON.stringify(name)}`, {
      hint: `give --name with one of ${workers.map((one) => one.name).join(", ")}`,
    });
  }
  return {
    ...{ document, inputs, backend, seed, timeScale: 1, host, port },
    replicas: worker.replicas.map(numbering(configuration)),
    certificates: certificates ?? undefined,
  };
}

/** Finds the number of a replica. Throws Fault("invalid-input") for one that the scenario lacks. */
function numbering({ document, inputs }: ServiceConfiguration): (replica: string) => number {
  const { replicas } = compileSystem(document, inputs);
  return (replica) => {
    const number = replicas.findIndex(({ name }) => name === replica);
    if (number >= 0) return number;
    throw new Fault("invalid-input", `the scenario has no replica ${JSON.stringify(replica)}`, {
      hint: "write the configuration again with `tandem deploy`",
    });
  };
}
