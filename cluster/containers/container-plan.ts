/**
 * The containers of a scenario, whatever runs them: one worker for each replica, or for several replicas of one task on
 * one machine, with its processor time, memory and GPU; and the configuration that all of them read.
 */
import { readFileSync } from "node:fs";
import { isAbsolute, normalize } from "node:path";
import { z } from "zod";
import { Fault, type Issue } from "../../engine/basics/fault.ts";
import { checkBackend } from "../../scenario/checks/checks.ts";
import { compileSystem, type MeasuredInputs } from "../../scenario/compile/compile.ts";
import { placesOf, placesOfAll } from "../../scenario/compile/engines.ts";
import { type Placement, placeReplicas, tasksToPlace } from "../../scenario/compile/placement.ts";
import { type Issues, issueAt } from "../../scenario/reading/issues.ts";
import type { ImplementationDocument } from "../../scenario/schema/implementation.ts";
import { fileEntries, needsStore, replays } from "../../scenario/schema/implementation-kinds.ts";
import { BACKENDS, type BackendName } from "../../scenario/schema/run.ts";
import {
  type ModelDocument,
  type ScenarioDocument,
  scenarioSchema,
} from "../../scenario/schema/scenario.ts";
import type { GatewaySpecification } from "../run/specification.ts";
import type { WorkerSpecification } from "../worker/main.ts";

interface PlanOptions {
  readonly backend: BackendName;
  /** The replicas of one task on one machine that share a process. */
  readonly replicasPerWorker: number;
  /** Cores of a worker; null: the threads of its model. */
  readonly cpus: number | null;
  /** GiB of a worker, and of the gateway. */
  readonly memoryGiB: number;
  readonly gatewayMemoryGiB: number;
  /** Kinds of devices that are GPUs, besides those whose model runs on CUDA. */
  readonly gpuKinds: readonly string[];
}

export interface PlannedWorker {
  readonly replicas: readonly string[];
  /** The task, or `task@model` of a variant. */
  readonly pool: string;
  /** Kind of node; null where the scenario has no nodes. */
  readonly nodeKind: string | null;
  readonly machine: string;
  readonly device: string;
  /** Number of the GPU among those of its machine; null: none. */
  readonly gpu: number | null;
  /** Another worker has the same GPU. */
  readonly sharesGpu: boolean;
  readonly cpus: number;
  readonly memoryGiB: number;
  /** Environment variables that hold tokens for servers of models. */
  readonly environment: readonly string[];
}

export interface ContainerPlan {
  readonly workers: readonly PlannedWorker[];
  /** `gpus`: how many GPUs a machine must have for the highest number of its workers. */
  readonly machines: readonly { readonly name: string; readonly gpus: number }[];
  readonly gatewayMemoryGiB: number;
  /** Models read files of the scenario's folder. */
  readonly readsFolder: boolean;
  /** Built-in models read prepared weights. */
  readonly readsStore: boolean;
  /** Models on other servers: workers open connections. */
  readonly callsOut: boolean;
  /** Everything that stands in the way, whatever runs the containers. */
  readonly issues: readonly Issue[];
  readonly notes: readonly string[];
}

/** A worker would run these language models itself; a server elsewhere needs nothing in the image. */
function* missingEngines({ models }: ScenarioDocument): Issues {
  for (const [name, { tokens }] of Object.entries(models)) {
    if (tokens?.llama === undefined) continue;
    const hint = "`external`, a server that workers reach; `--backend replay`; or `cluster up`";
    yield issueAt(`models.${name}.tokens.llama`, "images have no llama.cpp", hint);
  }
}

interface RealModel {
  readonly name: string;
  readonly implementation: ImplementationDocument;
}

export function planContainers(document: ScenarioDocument, options: PlanOptions): ContainerPlan {
  const { backend } = options;
  const real = !replays(backend);
  const models = Object.entries(document.models).flatMap(([name, { implementation }]) =>
    real && implementation !== undefined ? [{ name, implementation }] : [],
  );
  const placement = placeReplicas(document.cluster, tasksToPlace(document));
  const gpuNumbers = numberGpus(document, placement, options);
  const workers = groupReplicas(document, placement, options, gpuNumbers);
  return {
    workers,
    machines: placement.nodes.map(({ name }) => ({
      name,
      gpus:
        1 + Math.max(-1, ...workers.map((one) => (one.machine === name ? (one.gpu ?? -1) : -1))),
    })),
    gatewayMemoryGiB: options.gatewayMemoryGiB,
    readsFolder: models.some(({ implementation }) => fileEntries(implementation).length > 0),
    readsStore: needsStore(models.map(({ implementation }) => implementation)),
    callsOut:
      models.some(({ implementation }) => implementation.external !== undefined) ||
      (backend === "engines" &&
        Object.values(document.models).some(({ tokens }) => tokens?.external !== undefined)),
    issues: [
      ...checkBackend(document.models, backend),
      ...(backend === "engines" ? missingEngines(document) : []),
      ...models.flatMap(fileIssues),
    ],
    notes: models.flatMap(({ name, implementation: { command } }) =>
      command === undefined
        ? []
        : [`model ${name} runs ${command.run[0]}: give --image with one that has it`],
    ),
  };
}

/** A name that DNS takes as one label, and Kubernetes as the name of an object. */
export function labelOf(name: string): string {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return plain.slice(0, 40).replaceAll(/^-+|-+$/g, "") || "x";
}

/** Distinct labels of names, in their order; none is in `taken`. */
export function labelsOf(names: readonly string[], taken: readonly string[]): readonly string[] {
  const used = new Set(taken);
  return names.map((name) => {
    const label = labelOf(name);
    let free = label;
    for (let i = 2; used.has(free); i++) free = `${label}-${i}`;
    used.add(free);
    return free;
  });
}

/** The GPU of each slot that is one: its number on its machine, kind by kind. */
function numberGpus(
  document: ScenarioDocument,
  { slots, replicas, nodes }: Placement,
  { backend, gpuKinds }: PlanOptions,
): ReadonlyMap<number, number> {
  const models = modelsOfPools(document);
  const onCuda = new Set(
    replicas
      .filter(({ task }) => models.get(task)?.implementation?.provider === "cuda")
      .map(({ device }) => device),
  );
  const isGpu = (kind: string): boolean =>
    !replays(backend) && (gpuKinds.includes(kind) || onCuda.has(kind));
  const numbers = new Map<number, number>();
  slots.forEach(({ node, kind, number }, slot) => {
    if (!isGpu(kind)) return;
    const kinds = Object.keys(nodes[node].devices).filter(isGpu);
    const before = kinds.slice(0, kinds.indexOf(kind));
    const offset = before.reduce((sum, one) => sum + slotsOf(nodes[node].devices[one]), 0);
    numbers.set(slot, offset + number - 1);
  });
  return numbers;
}

const slotsOf = (device: number | { readonly slots: number }): number =>
  typeof device === "number" ? device : device.slots;

function groupReplicas(
  document: ScenarioDocument,
  placement: Placement,
  options: PlanOptions,
  gpuNumbers: ReadonlyMap<number, number>,
): readonly PlannedWorker[] {
  const models = modelsOfPools(document);
  const onSlot = new Map<number, number>();
  for (const { slot } of placement.replicas) onSlot.set(slot, (onSlot.get(slot) ?? 0) + 1);
  const workers: (PlannedWorker & { readonly replicas: string[] })[] = [];
  const open = new Map<string, (typeof workers)[number]>();
  for (const { name: pool, model: served } of tasksToPlace(document)) {
    const members = placement.replicas.filter(({ task }) => task === pool);
    const places = placesOf(document.models[served.name]);
    for (const { node, device, slot, number } of placesOfAll(members, places)) {
      const replica = `${pool}-${number}`;
      const gpu = gpuNumbers.get(slot) ?? null;
      // A worker takes the batches of a replayed slot in turn, so replicas of one slot stay together; so do the places
      // of an engine.
      const isShared = replays(options.backend) && (onSlot.get(slot) ?? 0) > 1;
      const isOneSlot = isShared || places > 1;
      const place = isOneSlot ? `${slot}` : `${pool}/${node}/${device}/${gpu}`;
      const there = open.get(place);
      const most = isOneSlot ? Number.POSITIVE_INFINITY : options.replicasPerWorker;
      if (there !== undefined && there.replicas.length < most) {
        there.replicas.push(replica);
        continue;
      }
      const model = models.get(pool);
      const worker = {
        pool,
        device,
        gpu,
        replicas: [replica],
        nodeKind: document.cluster.nodes === undefined ? null : placement.nodes[node].group,
        machine: placement.nodes[node].name,
        sharesGpu: false,
        cpus: options.cpus ?? model?.implementation?.threads ?? 1,
        memoryGiB: options.memoryGiB,
        environment: environmentOf(model, options.backend),
      };
      workers.push(worker);
      open.set(place, worker);
    }
  }
  const placeOf = ({ machine, gpu }: PlannedWorker): string => `${machine}/${gpu}`;
  return workers.map((worker) => {
    const onGpu = workers.filter((one) => placeOf(one) === placeOf(worker));
    return { ...worker, sharesGpu: worker.gpu !== null && onGpu.length > 1 };
  });
}

function modelsOfPools(document: ScenarioDocument): ReadonlyMap<string, ModelDocument> {
  return new Map(
    tasksToPlace(document).map(({ name, model }) => [name, document.models[model.name]]),
  );
}

function environmentOf(model: ModelDocument | undefined, backend: BackendName): readonly string[] {
  const name = model?.implementation?.external?.token?.environment;
  return name === undefined || replays(backend) ? [] : [name];
}

function fileIssues({ name, implementation }: RealModel): Issue[] {
  return fileEntries(implementation)
    .filter(([, path]) => isAbsolute(path) || normalize(path).startsWith(".."))
    .map(([at, path]) =>
      issueAt(
        `models.${name}.implementation.${at}`,
        `${path} lies outside the scenario's folder, which is all that containers see`,
        "put the file into the scenario's folder, and give a relative path",
      ),
    );
}

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
type ServiceConfiguration = Omit<z.infer<typeof configurationSchema>, "schema">;

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
    path: path.join("."),
    message,
    file,
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
  /** Open connections of one address to the gateway; undefined: the default. */
  readonly connectionsPerAddress?: number | undefined;
}

export function gatewaySpecification(
  configuration: ServiceConfiguration,
  { certificates, tokens, host, port, connectionsPerAddress }: ServicePlace,
  id: string,
): GatewaySpecification {
  const { document, inputs, backend, seed, workers } = configuration;
  const numberOf = numbering(configuration);
  const replicas = workers.flatMap(({ replicas: names, address }) =>
    names.map((name) => ({ replica: numberOf(name), address })),
  );
  return {
    id,
    document,
    inputs,
    backend,
    seed,
    timeScale: 1,
    host,
    httpPort: port,
    grpcPort: port + 1,
    origins: [],
    security: { certificates, tokens },
    workerCertificates: certificates,
    replicas: replicas.sort((a, b) => a.replica - b.replica),
    spareReplicas: 0,
    controlFile: null,
    trace: null,
    record: null,
    bounds: connectionsPerAddress === undefined ? {} : { connectionsPerAddress },
  };
}

/** Whether a name is of a set whose pods the configuration names, and has a higher number. */
export function isBeyondSet({ workers }: ServiceConfiguration, name: string): boolean {
  const names = workers.map((one) => one.name);
  return !names.includes(name) && names.includes(name.replace(/-\d+$/, "-0"));
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
    document,
    inputs,
    backend,
    seed,
    timeScale: 1,
    host,
    port,
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
