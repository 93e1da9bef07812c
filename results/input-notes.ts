/**
 * Notes on the inputs of a prediction: costs that the scenario leaves out, SLOs that cannot be kept, and
 * profiles measured on another machine or of another model.
 */

import { RequestDraws } from "../engine/requests/draws.ts";
import { TokenLengths } from "../engine/requests/token-lengths.ts";
import type { PipelineSystem, Sharing, System, TokenLengthTerms } from "../engine/system/system.ts";
import { compileSystem, type MeasuredInputs } from "../scenario/compile/compile.ts";
import { hasDoubt, undoubtedProfiles } from "../scenario/compile/input-draws.ts";
import type { Profile } from "../scenario/schema/profile.ts";
import type { Parts, ScenarioDocument } from "../scenario/schema/scenario.ts";
import { parameterColumns } from "../scenario/sweep/parameter-columns.ts";

/** Whether a scenario gives no cost of messages: then they take no time in a simulation. */
export function hasFreeMessages({ cluster, sweep }: Parts<"cluster" | "sweep">): boolean {
  const { network, gateway, overheadProfile, nodes = [] } = cluster;
  const linked = nodes.some(({ gbps, zone }) => gbps !== undefined || zone !== undefined);
  const swept = parameterColumns(sweep).some(({ path }) => OF_MESSAGES.test(path));
  const given = network !== undefined || gateway !== undefined || overheadProfile !== undefined;
  return !given && !linked && !swept;
}

const OF_MESSAGES = /^cluster(\.(network|gateway|overheadProfile)\b|\.nodes\b.*\.gbps$|$)/;

export const FREE_MESSAGES_NOTE =
  "network and gateway take no time: the scenario gives neither cluster.network, cluster.gateway nor " +
  "cluster.overheadProfile; to measure them, name a file as the last: `tandem calibrate` writes it beside " +
  "real models, and `tandem validate S --out DIR` writes one without any, DIR/overheads.json";

/**
 * One note for each pipeline whose SLO is shorter than its tasks take on average, each on its fastest
 * replica and without a wait. None where the sweep changes what that depends on.
 */
export function goalNotes(document: ScenarioDocument, inputs: MeasuredInputs): string[] {
  const swept = parameterColumns(document.sweep);
  if (swept.some(({ path }) => /^(pipelines|models|cluster)\b/.test(path))) return [];
  const system = compileSystem(document, inputs);
  return system.pipelines.flatMap((pipeline) => {
    const { name, sloUs, tasks } = pipeline;
    // A task that starts at another's first token, or a prompt that is kept, takes less than the sum has.
    if (tasks.some(({ afterFirstToken }) => afterFirstToken.length > 0)) return [];
    const writes = tasks.some(({ tokens }) => tokens !== null);
    if (writes && system.devices.some(({ sharing }) => keepsBlocks(sharing))) return [];
    const meanUs = unloadedUs(system, pipeline);
    if (meanUs <= sloUs) return [];
    const [goal, mean] = [sloUs, meanUs].map((us) => `${Number((us / 1000).toPrecision(3))} ms`);
    return [
      `${name}: its SLO of ${goal} is shorter than its tasks take on average without any wait, ${mean}: ` +
        "raise slo.latencyMs, or take faster models or devices",
    ];
  });
}

/** Of drawn sequences some are always longer than `most`; a larger share changes what a run is about. */
const FEW = 0.01;
const DRAWN = 10_000;

/**
 * One note for each task whose sequences `most` cuts: any row of a trace, or a share of the drawn ones. None where the sweep
 * changes lengths.
 */
export function cutNotes(document: ScenarioDocument, inputs: MeasuredInputs): string[] {
  const swept = parameterColumns(document.sweep);
  if (swept.some(({ path }) => /^(pipelines\b|workload(\.file)?$)/.test(path))) return [];
  const tasks = Object.values(document.pipelines).flatMap((pipeline) => {
    return Object.values(pipeline.tasks);
  });
  if (tasks.every(({ tokens }) => tokens === undefined)) return [];
  const system = compileSystem(document, inputs);
  return system.pipelines.flatMap((pipeline, index) => {
    const rows = Math.max(0, ...pipeline.tasks.map(({ tokens }) => rowsOf(tokens)));
    const lengths = drawnLengths(system, index, rows || DRAWN);
    return pipeline.tasks.flatMap(({ name, tokens }, task) => {
      if (tokens === null || lengths === null) return [];
      const { count, longest } = lengths.cutOf(index, task);
      const least = rowsOf(tokens) > 0 ? 1 : FEW * (rows || DRAWN);
      if (count < least) return [];
      const all = rows > 0 ? `${rows} rows of the trace` : `${DRAWN} drawn sequences`;
      return [
        `${pipeline.name}: "${name}" cuts ${count} of ${all} to ${tokens.most} tokens, first the output, ` +
          `then the prompt; the longest has ${longest}: raise \`most\` to keep them whole`,
      ];
    });
  });
}

/** The rows of a trace that give lengths; 0: both are drawn. */
function rowsOf(tokens: TokenLengthTerms | null): number {
  const all = tokens === null ? [] : [tokens.prompt, tokens.output];
  return Math.max(
    0,
    ...all.map((one) => (typeof one === "object" && "rows" in one ? one.rows.length : 0)),
  );
}

/** The lengths of so many requests of one pipeline have been drawn. */
function drawnLengths(system: System, pipeline: number, count: number): TokenLengths | null {
  const lengths = TokenLengths.for(system, "cut");
  const draws = new RequestDraws(system, "cut");
  const { length } = system.pipelines[pipeline].tasks;
  const flags = new Uint8Array(length);
  const variates = new Float64Array(length * draws.width);
  lengths?.grow(length);
  for (let i = 0; i < count; i++) {
    draws.draw(pipeline, 0, flags, variates);
    lengths?.draw(pipeline, 0, flags);
  }
  return lengths;
}

function keepsBlocks(sharing: Sharing | null): boolean {
  return sharing?.kind === "iterations" && sharing.limits.prefixCaching;
}

/** A note where `alpaserve`, once the name of its baseline, has no placement, and so no group of several devices. */
export function groupNotes({ cluster, scheduler }: ScenarioDocument): string[] {
  const named =
    typeof scheduler === "string" ? [scheduler] : [scheduler.preset, scheduler.controller];
  if (cluster.placement !== undefined || !named.includes("alpaserve")) return [];
  return [
    "alpaserve serves every model on single devices here: `tandem schedulers --place` finds groups of several; " +
      "the scheduler that had this name, which places models while requests come, is selective-replication",
  ];
}

/**
 * Mean latency of a request that is alone and takes the longest way, each task on its fastest replica: of tasks that more
 * than the share `rare` of requests run. Without that, of tasks that every request runs.
 */
export function unloadedUs(
  { pools, replicas }: System,
  { tasks }: PipelineSystem,
  rare?: number,
): number {
  return longestMeanUs(tasks, rare, (pool) => {
    const { first, count } = pools[pool];
    const own = replicas.slice(first, first + count);
    return Math.min(...own.map(({ service }) => service.meanUs[1]));
  });
}

/** What intervals leave out of the doubt of inputs. None where all times are assumed: these have none. */
export function doubtNotes({ models, run }: ScenarioDocument, inputs: MeasuredInputs): string[] {
  const assumed = Object.keys(models).filter((name) => {
    const { profile, tokens } = models[name];
    return profile === undefined && typeof tokens?.steps !== "string";
  });
  const isKnown = hasDoubt(inputs);
  return [
    ...unknownDoubts(inputs),
    ...(isKnown && assumed.length > 0
      ? [`± takes assumed times as exact: those of ${assumed.join(", ")}`]
      : []),
    ...(isKnown && run.inputs === "fixed"
      ? ["± is of the simulation alone, as `run.inputs` is fixed: calibration's part is left out"]
      : []),
  ];
}

export function unknownDoubts(inputs: Pick<MeasuredInputs, "profiles">): string[] {
  const unknown = undoubtedProfiles(inputs).join(", ");
  if (unknown === "") return [];
  return [`how far the times of ${unknown} may be off is not known, so no interval holds it`];
}

/** 1 − 0.9 is a little less than 0.1. */
const ROUNDING = 1e-9;

/** Mean time of the longest way through tasks that so many requests run. */
function longestMeanUs(
  tasks: PipelineSystem["tasks"],
  rare: number | undefined,
  serviceUs: (pool: number) => number,
): number {
  interface Span {
    readonly startUs: number;
    readonly endUs: number;
    /** Of the requests that run the task, at the least. */
    readonly share: number;
  }
  const spans = new Map<number, Span>();
  const spanOf = (id: number): Span => {
    const known = spans.get(id);
    if (known !== undefined) return known;
    const { predecessors, variants, needed, whenProbability, skippedBy, ...task } = tasks[id];
    const times = predecessors.map((before) => {
      const { startUs, endUs } = spanOf(before);
      return task.afterFirstToken.includes(before) ? startUs : endUs;
    });
    const startUs = Number.isFinite(needed) ? Math.min(...times) : Math.max(0, ...times);
    const begun = predecessors.length === 0 ? [1] : predecessors.map((one) => spanOf(one).share);
    const kept = skippedBy.map((cache) => 1 - tasks[cache].cacheHitRatio);
    const share = kept.reduce((a, b) => a * b, Math.max(...begun) * whenProbability);
    const isRun =
      rare === undefined ? share === 1 && skippedBy.length === 0 : share > rare + ROUNDING;
    const endUs = startUs + (isRun ? Math.min(...variants.map(serviceUs)) : 0);
    const span = { startUs, endUs, share };
    spans.set(id, span);
    return span;
  };
  return Math.max(...tasks.map((_, id) => spanOf(id).endUs));
}

type Provenance = Profile["provenance"];

/** A model as it would run here. */
export interface ModelAtHand {
  readonly modelFiles: Provenance["modelFiles"];
  readonly runtime: string;
  /** The host of its worker. Default: this machine. */
  readonly host?: string;
}

interface AtHand {
  /** In the form of `provenance.host`. */
  readonly host: string;
  /** Models by the path of their profile; none where models are only simulated. */
  readonly models?: Readonly<Record<string, ModelAtHand>>;
}

/** One note for all profiles with the same differences, and one for each doubt of their calibration. */
export function originNotes(
  profiles: Readonly<Record<string, { readonly provenance: Provenance }>>,
  { host, models = {} }: AtHand,
): string[] {
  const pathsOf = new Map<string, string[]>();
  const add = (fact: string, path: string) =>
    pathsOf.set(fact, [...(pathsOf.get(fact) ?? []), path]);
  for (const [path, { provenance }] of Object.entries(profiles)) {
    const facts = [
      ...placeFacts(provenance, models[path]?.host ?? host),
      ...(models[path] === undefined ? [] : modelFacts(provenance, models[path])),
    ].join("; ");
    if (facts !== "") add(facts, path);
  }
  for (const [path, { provenance }] of Object.entries(profiles)) {
    for (const doubt of provenance.doubts ?? []) {
      add(`calibration doubted these times, so calibrate again: ${doubt}`, path);
    }
  }
  return [...pathsOf].map(([facts, paths]) => {
    return `${paths.length > 1 ? "profiles" : "profile"} ${paths.join(", ")}: ${facts}`;
  });
}

function placeFacts({ kind, source, host, device }: Provenance, here: string): string[] {
  if (kind === "imported") return [`imported from ${source ?? host}, not measured on this machine`];
  const [there, own] = [hostParts(host), hostParts(here)];
  if (there.machine !== own.machine) {
    return [`measured on ${there.machine} (${device}), not on this machine`];
  }
  if (there.node === own.node) return [];
  return [`measured with ${there.node ?? "another runtime"}, here runs ${own.node ?? "another"}`];
}

function modelFacts({ modelFiles, runtime }: Provenance, here: ModelAtHand): string[] {
  const digests = new Map(here.modelFiles.map(({ name, sha256 }) => [name, sha256]));
  const changed = modelFiles.filter(({ name, sha256 }) => digests.get(name) !== sha256);
  const names = changed.map(({ name }) => name).join(", ");
  return [
    ...(changed.length === 0 ? [] : [`measured with another ${names} than is here`]),
    ...(runtime === here.runtime ? [] : [`measured with ${runtime}, here runs ${here.runtime}`]),
  ];
}

/** Another kernel on the same machine is the same host. */
function hostParts(line: string): { readonly machine: string; readonly node: string | undefined } {
  const found = /^(.*, \d+ logical cores, \d+ GiB), .*, (Node \S+)$/.exec(line);
  return { machine: found?.[1] ?? line, node: found?.[2] };
}
