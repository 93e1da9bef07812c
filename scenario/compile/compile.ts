/**
 * Scenario document → System: names to ids, milliseconds to microseconds, replicas onto devices.
 * The document has passed `checks.ts`, so a failure here is a bug.
 */
// Hot path: see docs/hot-path.md

import { assert } from "../../engine/basics/fault.ts";
import { listOf } from "../../engine/basics/hot-path.ts";
import { shapeOf } from "../../engine/random/sampler.ts";
import { expectedHitRatio } from "../../engine/requests/prediction-cache.ts";
import type { ServiceModel } from "../../engine/service/service.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
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
} from "../../engine/system/system.ts";
import type { TraceColumns } from "../reading/trace-columns.ts";
import { earlyNames, namesAfter } from "../schema/edges.ts";
import type { OverheadProfile, Profile } from "../schema/profile.ts";
import type {
  ClusterDocument,
  ModelDocument,
  PipelineDocument,
  ScenarioDocument,
  TaskDocument,
} from "../schema/scenario.ts";
import type { StepProfile } from "../schema/step-profile.ts";
import { engineEstimate, sequencesOf } from "./engine-estimate.ts";
import { placesOf, placesOfAll, withEngines } from "./engines.ts";
import { breakable } from "./fault-causes.ts";
import {
  excessUs,
  type PlacedNode,
  type Placement,
  placeReplicas,
  tasksToPlace,
  variantsOf,
} from "./placement.ts";
import { serviceOf } from "./services.ts";
import { columnsOf, conditionOf, lengthTerms } from "./trace-rows.ts";

/** Measured data that a scenario names, by the path as written in it. */
export interface MeasuredInputs {
  readonly profiles: Readonly<Record<string, Profile>>;
  readonly stepProfiles?: Readonly<Record<string, StepProfile>> | undefined;
  readonly overheadProfile?: OverheadProfile | undefined;
  /** Arrivals of traces, µs, by path as written: no part of a system. */
  readonly traces?: Readonly<Record<string, readonly number[]>> | undefined;
  /** Columns of traces beside that of arrivals. */
  readonly traceColumns?: Readonly<Record<string, TraceColumns>> | undefined;
  /** Texts of the schedulers of the user, by path as written. */
  readonly schedulerFiles?: Readonly<Record<string, string>> | undefined;
  /** The folder that paths of models start at; default: the current one. */
  readonly folder?: string | undefined;
}

export function compileSystem(document: ScenarioDocument, inputs: MeasuredInputs): System {
  const { cluster, models, workload, faults } = document;
  const tasks = tasksToPlace(document);
  const placement = placeReplicas(cluster, tasks);
  const resources = resourceNames(document);
  const pools: PoolSystem[] = [];
  const replicas: ReplicaSystem[] = [];
  const columns = columnsOf(workload, inputs);
  for (const { name, task, model } of tasks) {
    const entry = models[model.name];
    const placed = placement.replicas.filter((replica) => replica.task === name);
    const places = placesOf(entry);
    const timesOf = timesFor(document, inputs, { task, model: entry, columns });
    const members = listOf(
      placesOfAll(placed, places),
      ({ node, device, slot, speed, stages, number }) => ({
        name: `${name}-${number}`,
        pool: pools.length,
        node,
        device,
        slot,
        stages,
        service: timesOf(device, speed / stretchOf(entry, stages)),
      }),
    );
    const services = listOf(members, (member) => member.service);
    pools.push({
      name,
      task,
      model: model.name,
      first: replicas.length,
      count: members.length,
      places,
      maxBatch: Math.min(...services.map((service) => service.maxBatch), 65_536),
      demand: amountsOf(resources, entry.demand ?? {}),
      shape: services[0]?.shape ?? { kind: "constant" },
      inputScaling: entry.inputScaling ?? null,
      stoppable: entry.stoppable ?? false,
      accuracy: entry.accuracy ?? null,
      // A model without an accuracy counts as right, imputed or not.
      imputedAccuracy: entry.accuracy === undefined ? 1 : (entry.imputedAccuracy ?? 0),
    });
    replicas.push(...members);
  }
  const totalShare = sumOf(Object.values(document.pipelines).map(({ share }) => share));
  const pipelines = listOf(Object.entries(document.pipelines), ([name, pipeline]) =>
    compilePipeline(name, pipeline, { pools, totalShare, columns }),
  );
  const { delayS, spread } = cluster.provisioning ?? AT_ONCE;
  return {
    pipelines,
    pools,
    provisioning: { meanUs: delayS * 1e6, shape: shapeOf(spread) },
    ...breakable(faults, { replicas, pools, nodes: placement.nodes }),
    resources,
    nodes: compileNodes(cluster, placement, resources, inputs.overheadProfile),
    devices: withEngines(compileDevices(placement), pools, replicas, models, placement, inputs),
    models: listOf(Object.entries(models), ([name, model]) => ({
      name,
      memoryMb: model.memoryMb,
      loadUs: Math.round(loadMsOf(model, inputs) * 1000),
      residency: model.residency,
    })),
    overheads: compileOverheads(cluster, inputs.overheadProfile),
    idleWatts: idleWattsOf(placement),
    stride: Math.max(...pipelines.map((pipeline) => pipeline.tasks.length)),
    costPerHour: costOf(placement),
  };
}

const AT_ONCE = { delayS: 0, spread: { distribution: "deterministic" } } as const;

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
  return sumOf(nodes.filter((_, node) => used.has(node)).map(({ costPerHour }) => costPerHour));
}

function loadMsOf({ loadMs, profile }: ModelDocument, { profiles }: MeasuredInputs): number {
  if (loadMs !== "measured") return loadMs;
  const load = typeof profile === "string" ? profiles[profile]?.load : undefined;
  assert(load !== undefined, "a checked scenario has a profile with the load that it names");
  return load.ms;
}

/** The pools' names in their order: tasks by first mention, and `task@model` for variants. */
export function poolNames(document: ScenarioDocument): readonly string[] {
  return tasksToPlace(document).map(({ name }) => name);
}

/** How many times as long a model takes in so many stages. Source: alpa-projects/mms, 0.009 for each stage. */
function stretchOf({ stageOverhead = 0.009 }: ModelDocument, stages: readonly number[] | null) {
  return stages === null || stages.length === 1 ? 1 : 1 + stageOverhead * stages.length;
}

/** Gives a model its service on a device, and a language model the time that schedulers may expect of it in this task. */
function timesFor(
  { pipelines, workload }: ScenarioDocument,
  inputs: MeasuredInputs,
  { task, model, columns }: { task: string; model: ModelDocument; columns: TraceColumns },
): (device: string, speed: number) => ServiceModel {
  const { tokens } = model;
  if (tokens === undefined) {
    return (device, speed) => serviceOf(model, device, speed, workload, inputs);
  }
  const sequences = sequencesOf(task, Object.values(pipelines), columns);
  const estimate = engineEstimate(tokens, inputs.stepProfiles, sequences);
  return (_, speed) => estimate(speed);
}

interface Around {
  readonly pools: readonly PoolSystem[];
  readonly totalShare: number;
  readonly columns: TraceColumns;
}

function compilePipeline(
  name: string,
  pipeline: PipelineDocument,
  { pools, totalShare, columns }: Around,
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
      predecessors: numbers(namesAfter(entry).flatMap(idsOf)),
      successors: numbers(idsWhere((other) => namesAfter(other).includes(task))),
      isSink: idsWhere((other) => awaitsEndOf(task, other)).length === 0,
      needed,
      ...conditionOf(entry, columns),
      cacheHitRatio: content === null ? (entry.cache?.hitRatio ?? 0) : expectedHitRatio(content),
      cacheContent: content,
      skippedBy: numbers(idsWhere((other) => other.cache?.skips.includes(task) ?? false)),
      tokens: lengthTerms(entry.tokens, columns, idsOf),
      continuation: continuationOf(entry, idsOf),
      afterFirstToken: numbers(earlyNames(entry).flatMap(idsOf)),
      payloadBytes: entry.payloadBytes,
      edgeBytes: numbers(
        namesAfter(entry).flatMap((before) =>
          idsOf(before).map(() => entry.edgeBytes[before] ?? 0),
        ),
      ),
      outputBytes: entry.outputBytes,
    };
  });
  const held = pipeline.discipline === "pipeline-held";
  return {
    name,
    sloUs: pipeline.slo === undefined ? Number.POSITIVE_INFINITY : pipeline.slo.latencyMs * 1000,
    ttftUs: (pipeline.slo?.ttftMs ?? Number.POSITIVE_INFINITY) * 1000,
    tpotUs: (pipeline.slo?.tpotMs ?? Number.POSITIVE_INFINITY) * 1000,
    deadlineMs: pipeline.deadlineMs ?? null,
    priority: pipeline.priority,
    sloShare: (pipeline.slo?.percentile ?? 99) / 100,
    held,
    chains: held ? Math.min(...tasks.map((task) => pools[task.pool].count)) : 0,
    share: pipeline.share / totalShare,
    tasks,
    ensembles: ensemblesOf(pipeline, parts),
    entryTasks: tasks.flatMap((task, i) => (task.predecessors.length === 0 ? [i] : [])),
    sinkCount: tasks.filter((task) => task.isSink).length,
  };
}

function awaitsEndOf(task: string, entry: TaskDocument): boolean {
  return namesAfter(entry).includes(task) && !earlyNames(entry).includes(task);
}

function continuationOf({ tokens }: TaskDocument, idsOf: (task: string) => number[]) {
  if (tokens === undefined || !("from" in tokens)) return null;
  return { task: idsOf(tokens.from)[0], kvBytesPerToken: tokens.kvBytesPerToken };
}

function numbers(all: readonly number[]): number[] {
  return listOf(all, (value) => value);
}

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
    ({ costPerHour, name, contention, zone = "", resources, gbps = network?.gbps }) => {
      const ends = [zone, gateway?.zone ?? ""];
      const apart = network?.zones?.find(
        ({ between: [a, b] }) => a !== b && ends.includes(a) && ends.includes(b),
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
  const { arrivalUs = 0, dispatchUs = 0, completionUs = 0 } = gateway ?? {};
  const { count: gateways = 1, assignment = "round-robin" } = gateway ?? {};
  const shape = { sharedLinks: network?.links === "fair", gateways, assignment };
  if (profile !== undefined) {
    const { clientRoundTripUs, workerRoundTripUs } = profile;
    return { clientRoundTripUs, workerRoundTripUs, ...profile.gateway, ...shape };
  }
  const roundTrip = (ms = 0): number[] => (ms === 0 ? [] : [ms * 1000]);
  return {
    clientRoundTripUs: roundTrip(network?.clientRttMs),
    workerRoundTripUs: roundTrip(network?.rttMs),
    arrivalUs,
    dispatchUs,
    completionUs,
    ...shape,
  };
}

function compileSharing(sharing: SharingDocument): Sharing {
  if (sharing.kind === "processor-sharing") {
    // By default one alone runs at full speed, and several share that speed.
    return { kind: sharing.kind, slowdown: sharing.slowdown ?? [1] };
  }
  const { kind, quantumMs, switchUs } = sharing;
  return { kind, quantumUs: Math.round(quantumMs * 1000), switchUs: Math.round(switchUs) };
}
