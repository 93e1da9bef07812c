/**
 * A compose file: a gateway, a service for each worker, and a load generator that runs when asked.
 * It runs without Tandem on the machine. Source: https://github.com/compose-spec/compose-spec.
 */

import { Document } from "yaml";
import type { Issue } from "../../engine/basics/fault.ts";
import { issueAt } from "../../scenario/reading/issues.ts";
import { type ContainerPlan, labelsOf, type PlannedWorker, PORTS } from "./container-plan.ts";

export interface ComposeOptions {
  /** Names of images up to their role, and their tag. */
  readonly image: string;
  readonly tag: string;
  /** Address of this machine on which the gateway listens. */
  readonly host: string;
  readonly ports: { readonly http: number; readonly grpc: number };
  /** `uid:gid` of every process; it must be able to read the keys. */
  readonly user: string;
  /** Cores to share out, one container after the other; null: any. */
  readonly cores: readonly number[] | null;
  /** The scenario's folder, its file there, and overrides, for the load generator. */
  readonly folder: string;
  readonly file: string;
  readonly set: readonly string[];
  /** Folder of prepared models on this machine. */
  readonly store: string;
  /** File of hashes of tokens that callers show; null: none. */
  readonly tokens: string | null;
}

const GATEWAY = "gateway";
const LOAD = "load";
const CONFIGURATION = "/etc/tandem/tandem.json";
const SECRETS = "/run/secrets";
/** The image's own check: see the Dockerfile. */
const HEALTHCHECK = {
  test: ["CMD-SHELL", 'test -n "$$(find /tmp/tandem-ready -mmin -0.25 2>/dev/null)"'],
  interval: "5s",
  timeout: "5s",
  start_period: "120s",
};
const GATEWAY_CPUS = 1;

/** Everything that a compose file on one machine cannot do. */
export function composeIssues({ workers }: ContainerPlan, options: ComposeOptions): Issue[] {
  if (options.cores === null) return [];
  const needed = workers.reduce((sum, { cpus }) => sum + Math.ceil(cpus), GATEWAY_CPUS);
  const given = options.cores.length;
  if (given >= needed) return [];
  const message = `--cores has ${given} cores, and gateway and ${workers.length} workers need ${needed}`;
  return [issueAt("cluster.replicas", message, "give more cores, --cpus, or fewer replicas")];
}

/** `hosts` are the names of services, for certificates. */
export function renderCompose(plan: ContainerPlan, options: ComposeOptions) {
  const names = labelsOf(
    plan.workers.map(({ replicas }) => replicas[0]),
    [GATEWAY, LOAD],
  );
  const shareOut = coreShares(options.cores);
  const gateway = {
    ...common(options, GATEWAY, { cpus: GATEWAY_CPUS, memoryGiB: plan.gatewayMemoryGiB }),
    ...shareOut(GATEWAY_CPUS),
    command: [
      ...["--config", CONFIGURATION, "--certs", SECRETS],
      ...(options.tokens !== null ? ["--tokens", `${SECRETS}/tokens.txt`] : []),
    ],
    ports: [
      `${options.host}:${options.ports.http}:${PORTS.http}`,
      `${options.host}:${options.ports.grpc}:${PORTS.grpc}`,
    ],
    volumes: [configuration()],
    secrets: [
      ...secretsOf("ca.crt", "gateway.crt", "gateway.key"),
      ...(options.tokens !== null ? secretsOf("tokens.txt") : []),
    ],
    healthcheck: HEALTHCHECK,
  };
  const workers = plan.workers.map((worker, i) => ({
    ...common(options, names[i], worker, "worker"),
    ...shareOut(worker.cpus),
    ...gpuOf(plan, worker),
    ...(worker.environment.length === 0 ? {} : { environment: worker.environment }),
    command: ["--config", CONFIGURATION, "--certs", SECRETS, "--name", names[i]],
    volumes: [configuration(), ...modelVolumes(plan, options)],
    secrets: secretsOf("ca.crt", "worker.crt", "worker.key"),
    healthcheck: HEALTHCHECK,
  }));
  const document = {
    services: {
      [GATEWAY]: gateway,
      ...Object.fromEntries(workers.map((worker, i) => [names[i], worker])),
      [LOAD]: loadGenerator(options),
    },
    secrets: Object.fromEntries(
      Object.entries(secretFiles(options)).map(([name, file]) => [secretName(name), { file }]),
    ),
  };
  return {
    text: `# Written by \`tandem deploy compose\`; \`docker compose up\` in this folder starts it.\n${deployedYaml(document)}`,
    hosts: [GATEWAY, ...names],
    workers: plan.workers.map(({ replicas }, i) => ({
      name: names[i],
      replicas,
      address: `${names[i]}:${PORTS.worker}`,
    })),
    notes: notesOf(plan),
  };
}

function common(
  { image, tag, user }: ComposeOptions,
  name: string,
  { cpus, memoryGiB }: { readonly cpus: number; readonly memoryGiB: number },
  role = name,
) {
  return {
    image: `${image}-${role}:${tag}`,
    hostname: name,
    user,
    read_only: true,
    tmpfs: ["/tmp"],
    cap_drop: ["ALL"],
    security_opt: ["no-new-privileges:true"],
    init: true,
    restart: "unless-stopped",
    stop_grace_period: "20s",
    cpus,
    mem_limit: `${Math.round(memoryGiB * 1024)}m`,
  };
}

function loadGenerator(options: ComposeOptions) {
  const { file, folder, set } = options;
  return {
    ...common(options, LOAD, { cpus: 1, memoryGiB: 1 }),
    restart: "no",
    profiles: [LOAD],
    command: [
      ...[`/scenario/${file}`, "--url", `${GATEWAY}:${PORTS.grpc}`, "--certs", SECRETS],
      ...set.flatMap((override) => ["--set", override]),
    ],
    volumes: [`${folder}:/scenario:ro`],
    secrets: secretsOf("ca.crt", "client.crt", "client.key"),
  };
}

/** Device numbers go on from machine to machine, because all machines become one. */
function gpuOf({ machines }: ContainerPlan, { gpu, machine }: PlannedWorker) {
  if (gpu === null) return {};
  const before = machines.slice(
    0,
    machines.findIndex(({ name }) => name === machine),
  );
  const id = before.reduce((sum, { gpus }) => sum + gpus, gpu);
  const device = { driver: "nvidia", device_ids: [String(id)], capabilities: ["gpu"] };
  return { deploy: { resources: { reservations: { devices: [device] } } } };
}

/** Takes the next whole cores for each container, in order. */
function coreShares(cores: readonly number[] | null): (cpus: number) => object {
  let next = 0;
  return (cpus) => {
    if (cores === null) return {};
    const own = cores.slice(next, next + Math.ceil(cpus));
    next += own.length;
    return { cpuset: own.join(",") };
  };
}

const configuration = (): string => `./tandem.json:${CONFIGURATION}:ro`;

function modelVolumes(
  { readsFolder, readsStore }: ContainerPlan,
  { folder, store }: ComposeOptions,
): readonly string[] {
  return [
    ...(readsFolder ? [`${folder}:/scenario:ro`] : []),
    ...(readsStore ? [`${store}:/models/models:ro`] : []),
  ];
}

/** Paths by the name that the file has in a container. */
function secretFiles({ tokens }: ComposeOptions): Readonly<Record<string, string>> {
  const pairs = ["gateway", "worker", "client"].flatMap((role) => [`${role}.crt`, `${role}.key`]);
  return {
    ...Object.fromEntries(["ca.crt", ...pairs].map((file) => [file, `./certs/${file}`])),
    ...(tokens === null ? {} : { "tokens.txt": tokens }),
  };
}

const secretName = (file: string): string => file.replace(".", "-");

function secretsOf(...files: readonly string[]) {
  return files.map((file) => ({ source: secretName(file), target: file }));
}

function notesOf({ machines, notes }: ContainerPlan): readonly string[] {
  if (machines.length < 2) return notes;
  const gpus = machines.reduce((sum, machine) => sum + machine.gpus, 0);
  const devices = gpus === 0 ? "" : `, with ${gpus} GPUs numbered from 0`;
  const one = `the scenario's ${machines.length} machines become one${devices}: use \`tandem deploy kubernetes\` or an inventory for several`;
  return [one, ...notes];
}

/** YAML for Docker and Kubernetes, whose readers take `no` for false and `1:20` for eighty, as YAML 1.1 does. */
export function deployedYaml(value: object): string {
  const document = new Document(value, { version: "1.1", aliasDuplicateObjects: false });
  document.directives = undefined;
  return document.toString({ lineWidth: 0 });
}
