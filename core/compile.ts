/**
 * Scenario document → System: names to ids, milliseconds to microseconds, replicas onto devices.
 * The document has passed `checks.ts`, so a failure here is a bug.
 */
// Hot path: see docs/hot-path.md

import { assert } from "./fault.ts";
import { breakable } from "./fault-causes.ts";
import { listOf } from "./hot-path.ts";
import {
  excessUs,
  type PlacedNode,
  type Placement,
  placeReplicas,
  tasksToPlace,
  variantsOf,
} from "./placement.ts";
import { expectedHitRatio } from "./prediction-cache.ts";
import type { OverheadProfile, Profile } from "./profile.ts";
import { shapeOf } from "./random/sampler.ts";
import type {
  ClusterDocument,
  ModelDocument,
  PipelineDocument,
  ScenarioDocument,
  TaskDocument,
  WorkloadDocument,
} from "./scenario/schema.ts";
import {
  assumedService,
  meanFactors,
  measuredService,
  type ServiceModel,
  VariableService,
} from "./service.ts";
import { sumOf } from "./statistics/estimate.ts";
import {
  type DeviceSystem,
  type EnsembleSystem,
  type NodeSystem,
  type Overheads,
  type PipelineSystem,
  type PoolSystem,
  RESOURCE_UNITS,
  type ReplicaSystem,
  type Sharing,
  type System,
} from "./system.ts";

/** Measured data that a scenario names, by the path as written in it. */
export interface MeasuredInputs {
  readonly profiles: Readonly<Record<string, Profile>>;
  readonly overheadProfile?: OverheadProfile | undefined;
  /** Input sizes of traces that have them. */
  readonly traceSizes?: Readonly<Record<string, readonly number[]>> | undefined;
  /** Texts of the schedulers of the user, by path as written. */
  readonly schedulerFiles?: Readonly<Record<string, string>> | undefined;
  /** The folder that paths of models start at; default: the current one. */
  readonly folder?: string | undefined;
}

export function compileSystem(document: ScenarioDocument, inputs: MeasuredInputs): System {
  const tasks = tasksToPlace(document);
  const placement = placeReplicas(document.cluster, tasks);
  const resources = resourceNames(document);
  const pools: PoolSystem[] = [];
  const replicas: ReplicaSystem[] = [];
  for (const { name: pool, task, model: loaded } of tasks) {
    const model = loaded.name;
    const placed = placement.replicas.filter((replica) => replica.task === pool);
    const members = listOf(placed, (replica, i) => ({
      name: `${pool}-${i + 1}`,
      pool: pools.length,
      node: replica.node,
      device: replica.device,
      slot: replica.slot,
      service: scaledService(
        serviceOf(document.models[model], replica.device, replica.speed, inputs),
        document,
        model,
        inputs,
      ),
    }));
    const services = listOf(members, (member) => member.service);
    pools.push({
      name: pool,
      task,
      model,
      first: replicas.length,
      count: members.length,
      maxBatch: Math.min(...services.map((service) => service.maxBatch), 65_536),
      demand: amountsOf(resources, document.models[model].demand ?? {}),
      shape: services[0]?.shape ?? { kind: "constant" },
      inputScaling: document.models[model].inputScaling ?? null,
      accuracy: document.models[model].accuracy ?? null,
      imputedAccuracy: imputedAccuracyOf(document.models[model]),
    });
    replicas.push(...members);
  }
  const totalShare = Object.values(document.pipelines).reduce((sum, p) => sum + p.share, 0);
  const pipelines = listOf(Object.entries(document.pipelines), ([name, pipeline]) =>
    compilePipeline(name, pipeline, pools, totalShare),
  );
  return {
    pipelines,
    pools,
    provisioning: compileProvisioning(document),
    ...breakable(document.faults, replicas, pools, placement.nodes),
    resources,
    nodes: compileNodes(document.cluster, placement, resources, inputs.overheadProfile),
    devices: compileDevices(placement),
    models: listOf(Object.entries(document.models), ([name, model]) => ({
      name,
      memoryMb: model.memoryMb,
      loadUs: Math.round(loadMsOf(model, inputs) * 1000),
      residency: model.residency,
    })),
    overheads: compileOverheads(document.cluster, inputs.overheadProfile),
    idleWatts: idleWattsOf(placement),
    stride: Math.max(...pipelines.map((pipeline) => pipeline.tasks.length)),
    costPerHour: costOf(placement),
  };
}

/** A model without an accuracy counts as right, imputed or not. */
function imputedAccuracyOf({ accuracy, imputedAccuracy = 0 }: ModelDocument): number {
  return accuracy === undefined ? 1 : imputedAccuracy;
}

/** Those of the nodes first. */
function resourceNames({ cluster, models }: ScenarioDocument): string[] {
  const had = (cluster.nodes ?? []).flatMap((node) => Object.keys(node.resources ?? {}));
  const demanded = Object.values(models).flatMap(({ demand = {} }) => Object.keys(demand));
  return [...new Set([...had, ...demanded])];
}

function amountsOf(names: readonly string[], amounts: Readonly<Record<string, number>>): number[] {
  return listOf(names, (name) => {
    return Object.hasOwn(amounts, name) ? Math.round(amounts[name] * RESOURCE_UNITS) : 0;
  });
}

/** Cost of the machines that host a replica: the others need not run. */
function costOf({ nodes, replicas }: Placement): number {
  const used = new Set(replicas.map(({ node }) => node));
  return nodes.reduce((sum, { costPerHour }, node) => sum + (used.has(node) ? costPerHour : 0), 0);
}

function loadMsOf({ loadMs, profile }: ModelDocument, { profiles }: MeasuredInputs): number {
  if (loadMs !== "measured") return loadMs;
  const load = typeof profile === "string" ? profiles[profile]?.load : undefined;
  assert(load !== undefined, "a checked scenario has a profile with the load that it names");
  return load.ms;
}

function compileProvisioning({ cluster }: ScenarioDocument): System["provisioning"] {
  const { delayS, spread } = cluster.provisioning ?? {
    delayS: 0,
    spread: { distribution: "deterministic" } as const,
  };
  return { meanUs: delayS * 1e6, shape: shapeOf(spread) };
}

/** The pools' names in their order: tasks by first mention, and `task@model` for variants. */
export function poolNames(document: ScenarioDocument): readonly string[] {
  return tasksToPlace(document).map(({ name }) => name);
}

function serviceOf(
  model: ModelDocument,
  device: string,
  speed: number,
  inputs: MeasuredInputs,
): ServiceModel {
  if (model.service !== undefined) return assumedService(model.service, speed);
  const path = typeof model.profile === "string" ? model.profile : model.profile?.[device];
  const profile = path === undefined ? undefined : inputs.profiles[path];
  assert(profile !== undefined, `a checked scenario has a profile for device ${device}`);
  return measuredService(profile, speed);
}

/** Scaled by the sizes of inputs, where the model depends on them. */
function scaledService(
  service: ServiceModel,
  { models, workload }: ScenarioDocument,
  model: string,
  inputs: MeasuredInputs,
): ServiceModel {
  const { inputScaling } = models[model];
  if (inputScaling === undefined) return service;
  const sizes = traceSizesOf(workload, inputs);
  return new VariableService(service, meanFactors(inputScaling, workload, sizes, service.maxBatch));
}

/** The input sizes of a workload that replays a trace with sizes; else null. */
export function traceSizesOf(
  workload: WorkloadDocument,
  { traceSizes }: MeasuredInputs,
): readonly number[] | null {
  if (workload.arrivals !== "trace" || workload.sizeColumn === undefined) return null;
  return traceSizes?.[workload.file] ?? null;
}

function compilePipeline(
  name: string,
  pipeline: PipelineDocument,
  pools: readonly PoolSystem[],
  totalShare: number,
): PipelineSystem {
  const parts = partsOf(pipeline, pools);
  const idsOf = (task: string): number[] =>
    parts.flatMap((part, id) => (part.task === task ? [id] : []));
  const idsWhere = (holds: (entry: TaskDocument) => boolean): number[] =>
    parts.flatMap(({ entry }, id) => (holds(entry) ? [id] : []));
  const tasks = listOf(parts, ({ name, task, entry, variants, ensemble }) => {
    const { join } = entry;
    const content = entry.cache?.content ?? null;
    const needed = join === "all" ? Number.POSITIVE_INFINITY : join === "first" ? 1 : join.atLeast;
    return {
      name,
      ensemble,
      pool: variants[0],
      variants,
      predecessors: listOf(entry.after.flatMap(idsOf), same),
      successors: listOf(
        idsWhere((other) => other.after.includes(task)),
        same,
      ),
      needed,
      whenProbability: entry.when?.probability ?? 1,
      whenContains: entry.when?.contains ?? null,
      cacheHitRatio: content === null ? (entry.cache?.hitRatio ?? 0) : expectedHitRatio(content),
      cacheContent: content,
      skippedBy: listOf(
        idsWhere((other) => other.cache?.skips.includes(task) ?? false),
        same,
      ),
      payloadBytes: entry.payloadBytes,
      edgeBytes: listOf(
        entry.after.flatMap((before) => idsOf(before).map(() => entry.edgeBytes[before] ?? 0)),
        same,
      ),
      outputBytes: entry.outputBytes,
    };
  });
  const held = pipeline.discipline === "pipeline-held";
  return {
    name,
    sloUs: pipeline.slo === undefined ? Number.POSITIVE_INFINITY : pipeline.slo.latencyMs * 1000,
    deadlineMs: pipeline.deadlineMs ?? null,
    priority: pipeline.priority,
    sloShare: (pipeline.slo?.percentile ?? 99) / 100,
    held,
    chains: held ? Math.min(...tasks.map((task) => pools[task.pool].count)) : 0,
    share: pipeline.share / totalShare,
    tasks,
    ensembles: ensemblesOf(pipeline, parts),
    entryTasks: tasks.flatMap((task, i) => (task.predecessors.length === 0 ? [i] : [])),
    sinkCount: tasks.filter((task) => task.successors.length === 0).length,
  };
}

const same = (value: number): number => value;

/** A task of a pipeline, or a member of one that is an ensemble. */
interface Part {
  readonly name: string;
  readonly task: string;
  readonly entry: TaskDocument;
  readonly variants: readonly number[];
  readonly ensemble: number;
}

function partsOf({ tasks }: PipelineDocument, pools: readonly PoolSystem[]): readonly Part[] {
  let ensembles = 0;
  return Object.entries(tasks).flatMap(([task, entry]): Part[] => {
    const all = variantsOf(task, entry).map((one) =>
      pools.findIndex((pool) => pool.name === one.pool),
    );
    const staffed = all.filter((pool) => pools[pool].count > 0);
    const variants = staffed.length > 0 ? staffed : all.slice(0, 1);
    if (entry.ensemble === undefined) return [{ name: task, task, entry, variants, ensemble: -1 }];
    const ensemble = ensembles++;
    return variants.map((pool) => {
      return { name: pools[pool].name, task, entry, variants: [pool], ensemble };
    });
  });
}

function ensemblesOf({ tasks }: PipelineDocument, parts: readonly Part[]): EnsembleSystem[] {
  return Object.entries(tasks).flatMap(([name, { ensemble }]) => {
    if (ensemble === undefined) return [];
    const members = parts.flatMap(({ task }, id) => (task === name ? [id] : []));
    return [{ name, members, ...ensemble, fallback: ensemble.fallback ?? null }];
  });
}

type SharingDocument = NonNullable<PlacedNode["devices"][string]["sharing"]>;

function compileNodes(
  { network, gateway }: ClusterDocument,
  placement: Placement,
  resourceNames: readonly string[],
  profile: OverheadProfile | undefined,
): NodeSystem[] {
  return listOf(
    placement.nodes,
    ({ costPerHour, name, contention, zone, resources, gbps = network?.gbps }) => {
      const apart = network?.zones?.find(
        ({ between: [a, b] }) =>
          (a === zone && b === gateway?.zone) || (b === zone && a === gateway?.zone),
      );
      return {
        name,
        contention: contention ?? profile?.contention ?? null,
        zoneRoundTripUs:
          profile?.links === undefined
            ? (apart?.rttMs ?? 0) * 1000
            : Math.round(excessUs(profile.links, name)),
        usPerByte: gbps === undefined ? 0 : 8 / (gbps * 1000),
        resources:
          resources === undefined
            ? resourceNames.map(() => Number.POSITIVE_INFINITY)
            : amountsOf(resourceNames, resources),
        costPerHour,
      };
    },
  );
}

function compileDevices({ nodes, slots }: Placement): DeviceSystem[] {
  return listOf(slots, ({ node, kind, number }) => {
    const { name, devices, power } = nodes[node];
    const device = devices[kind];
    const nodeSlots = sumOf(Object.values(devices).map((each) => each.slots));
    const ofNode = power === undefined ? 0 : (power.busyWatts - power.idleWatts) / nodeSlots;
    const own = device.power === undefined ? 0 : device.power.busyWatts - device.power.idleWatts;
    return {
      name: `${name}/${kind}-${number}`,
      node,
      sharing: device.sharing === undefined ? null : compileSharing(device.sharing),
      memoryMb: device.memoryMb ?? Number.POSITIVE_INFINITY,
      busyWatts: ofNode + own,
    };
  });
}

/** Null when neither a node nor a device gives its power. */
function idleWattsOf({ nodes }: Placement): number | null {
  const draws = nodes.flatMap(({ power, devices }) => [
    ...(power === undefined ? [] : [power.idleWatts]),
    ...Object.values(devices).flatMap((device) =>
      device.power === undefined ? [] : [device.slots * device.power.idleWatts],
    ),
  ]);
  return draws.length === 0 ? null : sumOf(draws);
}

function compileOverheads(
  { network, gateway }: ClusterDocument,
  profile: OverheadProfile | undefined,
): Overheads {
  const shape = {
    sharedLinks: network?.links === "fair",
    gateways: gateway?.count ?? 1,
    assignment: gateway?.assignment ?? ("round-robin" as const),
  };
  if (profile !== undefined) {
    const { clientRoundTripUs, workerRoundTripUs } = profile;
    return { clientRoundTripUs, workerRoundTripUs, ...profile.gateway, ...shape };
  }
  const roundTrip = (ms: number | undefined): number[] =>
    ms === undefined || ms === 0 ? [] : [ms * 1000];
  return {
    clientRoundTripUs: roundTrip(network?.clientRttMs),
    workerRoundTripUs: roundTrip(network?.rttMs),
    arrivalUs: gateway?.arrivalUs ?? 0,
    dispatchUs: gateway?.dispatchUs ?? 0,
    completionUs: gateway?.completionUs ?? 0,
    ...shape,
  };
}

function compileSharing(sharing: SharingDocument): Sharing {
  switch (sharing.kind) {
    case "time-slice":
      return {
        kind: "time-slice",
        quantumUs: Math.round(sharing.quantumMs * 1000),
        switchUs: Math.round(sharing.switchUs),
      };
    case "processor-sharing":
      // By default one alone runs at full speed, and several share that speed.
      return { kind: "processor-sharing", slowdown: sharing.slowdown ?? [1] };
  }
}
