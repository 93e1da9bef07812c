/** `tandem deploy …`: writes compose files and Kubernetes manifests. */
import { chownSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { commandFile, VERSION } from "../build/version.ts";
import {
  type ComposeOptions,
  composeIssues,
  deployedYaml,
  renderCompose,
} from "../cluster/containers/compose.ts";
import {
  type ContainerPlan,
  type ContainerWorker,
  configurationText,
  labelOf,
  planContainers,
} from "../cluster/containers/container-plan.ts";
import {
  type KubernetesNames,
  type KubernetesOptions,
  kubernetesIssues,
  kubernetesManifests,
  kubernetesNames,
  type Manifest,
  podHosts,
  podWorkers,
  workerSets,
} from "../cluster/containers/kubernetes.ts";
import { writeCertificates } from "../cluster/security/tls.ts";
import { Fault, type Issue } from "../engine/basics/fault.ts";
import { tryOutForReal } from "../library/check.ts";
import { repeatCommand } from "../library/index.ts";
import { inventoryFor } from "../library/scenario.ts";
import { shellWord } from "../scenario/inventory/command-words.ts";
import { invalidInput } from "../scenario/reading/issues.ts";
import { replicationSeed } from "../sim/replication.ts";
import { makeFolder } from "../sweep/atomic-file.ts";
import type { ReadyScenario } from "../sweep/configuration-work.ts";
import { print } from "./command-line.ts";
import { printWarning } from "./failure.ts";
import type { Arguments, COMPOSE, KUBERNETES, SCENARIO } from "./options.ts";
import { listed, loadScenario } from "./scenario-file.ts";

type ComposeArguments = Arguments<typeof SCENARIO, typeof COMPOSE>;
type KubernetesArguments = Arguments<typeof SCENARIO, typeof KUBERNETES>;
type DeployArguments = ComposeArguments | KubernetesArguments;

/** Where containers see the scenario's folder. */
const SCENARIO_FOLDER = "/scenario";
/** The user and group of processes in the images. */
const IMAGE_USER = "10001:10001";
const CERTIFICATE_DAYS = 365;

export async function deployCompose(args: ComposeArguments): Promise<void> {
  const { loaded, plan } = await planned(args);
  const { directory, file } = composePlace(args, loaded.document.name);
  const scenario = resolve(args.scenario);
  const images = imagesOf(args);
  const options: ComposeOptions = {
    ...images,
    host: args.host,
    ports: { http: args.port, grpc: args.port + 1 },
    user: userOf(args.user),
    cores: args.cores === undefined ? null : coresOf(args.cores),
    folder: dirname(scenario),
    file: basename(scenario),
    set: args.set,
    store: join(process.env.TANDEM_CACHE || join(homedir(), ".cache", "tandem"), "models"),
    tokens: args.tokens === undefined ? null : resolve(args.tokens),
  };
  refuse(loaded, [...plan.issues, ...composeIssues(plan, options)]);
  const rendered = renderCompose(plan, options);
  const configuration = configurationOf(loaded, args, rendered.workers);
  const written = writeFiles(directory, { [file]: rendered.text, "tandem.json": configuration });
  const certificates = await writeCertificates(join(directory, "certs"), {
    hosts: [...rendered.hosts, ...args.gatewayName.flatMap(listed), ...localName(args.host)],
    days: CERTIFICATE_DAYS,
    force: true,
    newAuthority: false,
  });
  giveAway(certificates.directory, certificates.files, options.user);
  const roles = ["gateway", "worker", "load"];
  const document = {
    schema: "tandem/deploy@1",
    kind: "compose",
    scenario: loaded.document.name,
    directory,
    files: [...written, ...certificates.files.map((name) => join("certs", name))],
    workers: rendered.workers,
    images: namesOf(images, roles),
    notes: rendered.notes,
  };
  const here = relative(process.cwd(), directory);
  const url = `${args.host}:${args.port + 1}`;
  report(args, document, [
    `wrote ${written.join(", ")} and certs/ to ${directory}: a gateway and ${rendered.workers.length} workers`,
    ...buildLines(images, roles),
    `start:  docker compose -f ${shellWord(join(here, file))} up -d --wait`,
    `drive:  ${repeatCommand("load", args.scenario, { url, set: args.set, certs: join(here, "certs") })}`,
  ]);
}

export async function deployKubernetes(args: KubernetesArguments): Promise<void> {
  const { loaded, plan } = await planned(args);
  const inventory = inventoryOf(args.on, loaded);
  const { claim = null, tokens, namespace = inventory?.namespace ?? null } = args;
  const options: KubernetesOptions = {
    scenario: loaded.document.name,
    ...imagesOf(args, inventory?.image),
    pullSecrets: inventory?.pullSecrets ?? [],
    namespace,
    claim,
    tokens: tokens !== undefined,
    nodes: inventory?.nodes ?? {},
    gpuResource: args.gpuResource,
    sharedGpus: args.sharedGpus,
    nodeLabel: args.nodeLabel,
  };
  const sets = workerSets(plan, options);
  const workers = podWorkers(sets);
  const configuration = configurationOf(loaded, args, workers);
  refuse(loaded, [...plan.issues, ...kubernetesIssues(plan, options, configuration)]);
  const manifests = kubernetesManifests(plan, sets, options, configuration);
  if (args.out === undefined && !args.json) {
    process.stdout.write(yamlOf(manifests));
    for (const note of plan.notes) printWarning(note);
    return;
  }
  const directory = resolve(args.out ?? `${labelOf(options.scenario)}-kubernetes`);
  const names = kubernetesNames(options.scenario);
  const hosts = [...podHosts(names, workers, namespace), ...args.gatewayName.flatMap(listed)];
  const written = writeFiles(directory, {
    ...manifestFiles(manifests),
    "secrets.sh": secretsScript(names, options, args.tokens, hosts),
  });
  const images = namesOf(options, ["gateway", "worker"]);
  const document = {
    schema: "tandem/deploy@1",
    kind: "kubernetes",
    scenario: options.scenario,
    directory,
    files: written,
    workers,
    images,
    notes: plan.notes,
  };
  const here = shellWord(relative(process.cwd(), directory) || ".");
  const unnamed = kindsOfNodes(plan).filter((kind) => options.nodes[kind]?.selector === undefined);
  const labels = unnamed.map((kind) => `label:  kubectl label node NODE ${args.nodeLabel}=${kind}`);
  report(args, document, [
    `wrote ${written.join(", ")} to ${directory}: a gateway and ${workers.length} workers`,
    ...buildLines(options, ["gateway", "worker"]),
    "push:   docker push each of them to a registry that the cluster reads",
    ...labels,
    `start:  sh ${join(here, "secrets.sh")} && kubectl apply -k ${here}`,
  ]);
}

/** Throws Fault("usage") for an inventory of another kind. */
function inventoryOf(file: string | undefined, { document }: ReadyScenario) {
  if (file === undefined) return undefined;
  const { inventory } = inventoryFor(file, [document]);
  if (inventory.kind === "kubernetes") return inventory;
  throw new Fault("usage", `${file} is of kind ${inventory.kind}, and this needs kubernetes`, {
    hint: "`tandem cluster up --on` takes the other kinds",
  });
}

async function planned(args: DeployArguments) {
  const loaded = await loadScenario(args);
  tryOutForReal(loaded);
  if (args.backend === "replay" && args.gpu.length > 0) {
    printWarning("--gpu is ignored: replayed times run on no GPU");
  }
  const plan = planContainers(loaded.document, {
    backend: args.backend,
    replicasPerWorker: args.replicasPerWorker,
    cpus: args.cpus ?? null,
    memoryGiB: args.memory,
    gatewayMemoryGiB: args.gatewayMemory,
    gpuKinds: args.gpu.flatMap(listed),
  });
  return { loaded, plan };
}

function refuse(loaded: ReadyScenario, issues: readonly Issue[]): void {
  if (issues.length > 0) throw invalidInput(loaded.file, issues, loaded.positions);
}

/** The configuration for every container. It has no sweep, because a deployment runs none. */
function configurationOf(
  loaded: ReadyScenario,
  { backend }: DeployArguments,
  workers: readonly ContainerWorker[],
): string {
  const { document, profiles, stepProfiles, overheadProfile, traceColumns, schedulerFiles } =
    loaded;
  const measured = { profiles, stepProfiles, overheadProfile, traceColumns, schedulerFiles };
  const { sweep: _, validation: __, ...served } = document;
  return configurationText({
    document: served,
    backend,
    workers,
    inputs: { ...measured, folder: SCENARIO_FOLDER },
    seed: replicationSeed(document.run.seed, 0),
  });
}

/** `--out` names a folder, or a YAML file in one. */
function composePlace({ out }: ComposeArguments, scenario: string) {
  if (out === undefined) {
    return { directory: resolve(`${labelOf(scenario)}-compose`), file: "compose.yaml" };
  }
  return /\.ya?ml$/.test(out)
    ? { directory: dirname(resolve(out)), file: basename(out) }
    : { directory: resolve(out), file: "compose.yaml" };
}

/** Throws Fault("usage"). */
function userOf(given: string | undefined): string {
  const own = process.getuid?.() ?? 0;
  if (given === undefined) return own === 0 ? IMAGE_USER : `${own}:${process.getgid?.() ?? own}`;
  if (/^\d+:\d+$/.test(given)) return given;
  throw new Fault("usage", `--user ${given}: expected uid:gid, both numbers`, {
    hint: "`id -u` and `id -g` print yours",
  });
}

/** Only root can give its files to the user of the containers, and only root has to. */
function giveAway(directory: string, files: readonly string[], user: string): void {
  if (process.getuid?.() !== 0) return;
  const [uid, gid] = user.split(":").map(Number);
  for (const file of files.filter((name) => !/^(ca\.key|admin\.)/.test(basename(name)))) {
    chownSync(join(directory, basename(file)), uid, gid);
  }
}

const MOST_CORES = 4096;

/** Throws Fault("usage") for a list that no machine has. */
function coresOf(list: string): readonly number[] {
  const cores = list.split(",").flatMap((part) => {
    const [, first, last = first] = /^\s*(\d{1,4})(?:-(\d{1,4}))?\s*$/.exec(part) ?? [];
    const length = Number(last) - Number(first) + 1;
    return length >= 1 ? Array.from({ length }, (_, i) => Number(first) + i) : [Number.NaN];
  });
  if (cores.every((core) => core < MOST_CORES) && new Set(cores).size === cores.length) {
    return cores;
  }
  throw new Fault("usage", `--cores ${list}: expected distinct cores, as 0-7 or 0,2,4`);
}

function localName(host: string): readonly string[] {
  return host === "0.0.0.0" || host === "::" ? [] : [host];
}

type Images = Pick<ComposeOptions, "image" | "tag">;

/** Name and tag of images without their role, by the options before the inventory. */
function imagesOf(args: DeployArguments, inventoryImage = "tandem"): Images {
  const [, image, tag = VERSION] = /^(.+?)(?::([^:/]+))?$/.exec(args.image ?? inventoryImage) ?? [];
  return { image, tag: args.tag ?? tag };
}

function namesOf({ image, tag }: Images, roles: readonly string[]): readonly string[] {
  return roles.map((role) => `${image}-${role}:${tag}`);
}

/** In an installed package the build's folder is dist/. */
function buildLines(images: Images, roles: readonly string[]): readonly string[] {
  const root = fileURLToPath(new URL("..", import.meta.url)).replace(/(\/dist)?\/$/, "");
  const file = join(root, "dist/deploy/docker/Dockerfile");
  return roles.map((role, i) => {
    const [name] = namesOf(images, [role]);
    return `${i === 0 ? "build: " : "       "} docker build -f ${shellWord(file)} --target ${role} -t ${name} ${shellWord(root)}`;
  });
}

function kindsOfNodes({ workers }: ContainerPlan): readonly string[] {
  return [...new Set(workers.flatMap(({ nodeKind }) => nodeKind ?? []))];
}

function yamlOf(manifests: readonly Manifest[]): string {
  return manifests.map((manifest) => `---\n${deployedYaml(manifest)}`).join("");
}

/** By subject, and a kustomization that lists them. */
function manifestFiles(manifests: readonly Manifest[]): Readonly<Record<string, string>> {
  const subjectOf = ({ kind, metadata: { labels } }: Manifest): string => {
    if (kind === "ConfigMap") return "scenario.yaml";
    if (kind === "NetworkPolicy") return "network.yaml";
    const role = (labels as Record<string, string>)["app.kubernetes.io/component"];
    return role === "gateway" ? "gateway.yaml" : "workers.yaml";
  };
  const files = [...new Set(manifests.map(subjectOf))];
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: files,
  };
  return {
    ...Object.fromEntries(
      files.map((file) => [file, yamlOf(manifests.filter((one) => subjectOf(one) === file))]),
    ),
    "kustomization.yaml": deployedYaml(kustomization),
  };
}

/** Certificates and Secrets; values go from files to the cluster, through no log and no argument. */
function secretsScript(
  names: KubernetesNames,
  { namespace }: KubernetesOptions,
  tokens: string | undefined,
  hosts: readonly string[],
): string {
  const inSpace = namespace === null ? "" : ` --namespace ${shellWord(namespace)}`;
  const secret = (name: string, ...files: readonly string[]): string =>
    `secret=$(kubectl create secret generic ${name}${inSpace} --dry-run=client -o yaml \\\n  ${files
      .map((file) => `--from-file=${file}`)
      .join(" ")})\nprintf '%s\\n' "$secret" | kubectl apply${inSpace} --server-side -f -`;
  const pair = (role: string): readonly string[] =>
    ["ca.crt", `${role}.crt`, `${role}.key`].map((file) => `${file}="$certs/${file}"`);
  return `${[
    "#!/bin/sh",
    "# Makes certificates in a folder (the argument; default: certs), and the Secrets that the manifests",
    "# name. The authority in the folder stays: keep ca.key to make other certificates later.",
    "# A pipe's status is that of its last command only, so each Secret is made before it is applied.",
    "set -eu",
    "[ $# -gt 0 ] || set -- certs",
    "certs=$1",
    `node ${shellWord(commandFile())} cluster certs "$certs" --force --host ${hosts.join(",")}`,
    secret(names.gatewaySecret, ...pair("gateway")),
    secret(names.workerSecret, ...pair("worker")),
    ...(tokens === undefined
      ? []
      : [secret(names.tokensSecret, `tokens.txt=${shellWord(resolve(tokens))}`)]),
  ].join("\n")}\n`;
}

function writeFiles(directory: string, files: Readonly<Record<string, string>>) {
  makeFolder(directory);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return Object.keys(files);
}

function report(
  { json }: DeployArguments,
  document: { readonly notes: readonly string[] },
  lines: readonly string[],
): void {
  if (!json) for (const note of document.notes) printWarning(note);
  print(json, document, lines.join("\n"));
}
