/** Language models of a scenario as engines: what a device slot runs. */
import { assert } from "../../engine/basics/fault.ts";
import type {
  DeviceSystem,
  PoolSystem,
  ReplicaSystem,
  Sharing,
} from "../../engine/system/system.ts";
import { coefficientTimes, layerTimes, type StepTimes } from "../../engine/tokens/step-times.ts";
import type { ModelDocument } from "../schema/scenario.ts";
import type { StepProfile } from "../schema/step-profile.ts";
import { MOST_TOKENS } from "../schema/tokens.ts";
import type { Placement } from "./placement.ts";

export type EngineDocument = NonNullable<ModelDocument["tokens"]>;

export type StepProfiles = Readonly<Record<string, StepProfile>> | undefined;

/** Jobs that one replica of a model holds at once: as many wait in an engine as run there, each for blocks or its turn. */
export function placesOf({ tokens }: ModelDocument): number {
  return tokens === undefined ? 1 : 2 * tokens.maxSequences;
}

/** Kept blocks take memory, some 40 bytes each. */
const MOST_KEPT = 2 ** 22;

type Engine = Extract<Sharing, { kind: "iterations" }>;

function engineSharing(
  document: EngineDocument,
  speed: number,
  profiles: StepProfiles,
): Pick<Engine, "policy" | "limits" | "stepTimes"> {
  const { policy, maxSequences, maxBatchedTokens, blockTokens, prefixCaching, llama } = document;
  // Without a limit sequences never hold more: each as many tokens as a scenario may ask for.
  const all = Math.ceil((2 * maxSequences * MOST_TOKENS) / blockTokens);
  // A real engine copies the blocks that it keeps, each many thousand bytes.
  const most = llama ? (maxSequences * llama.contextTokens) / blockTokens : MOST_KEPT;
  const blocks = document.blocks ?? (prefixCaching ? Math.min(all, Math.ceil(most)) : all);
  const limits = { maxSequences, maxBatchedTokens, blocks, blockTokens, prefixCaching };
  const times = stepTimesOf(document, profiles);
  const stepTimes: StepTimes = (load) => times(load) / speed;
  return { policy, limits, stepTimes };
}

/**
 * Each place of each replica, numbered `1`, or `1/3` where a replica has several. The replicas' places come in turn, so
 * that the first free one is of the replica that has most of them free, as far as that goes by numbers.
 */
export function placesOfAll<Placed extends object>(placed: readonly Placed[], places: number) {
  return Array.from({ length: places }, (_, place) =>
    placed.map((replica, i) => ({
      ...replica,
      number: places === 1 ? `${i + 1}` : `${i + 1}/${place + 1}`,
    })),
  ).flat();
}

/** Slots that serve language models run in iterations. */
export function withEngines(
  devices: readonly DeviceSystem[],
  pools: readonly PoolSystem[],
  replicas: readonly ReplicaSystem[],
  models: Readonly<Record<string, ModelDocument>>,
  { nodes, slots }: Placement,
  { stepProfiles }: { readonly stepProfiles?: StepProfiles | undefined },
): readonly DeviceSystem[] {
  const sharing = new Map<number, Engine>();
  for (const { slot, pool } of replicas) {
    const { tokens } = models[pools[pool].model];
    if (tokens === undefined || sharing.has(slot)) continue;
    const { node, kind } = slots[slot];
    const given = devices[slot].sharing;
    const slowdown = given?.kind === "processor-sharing" ? given.slowdown : null;
    const engine = engineSharing(tokens, nodes[node].devices[kind].speed, stepProfiles);
    sharing.set(slot, { kind: "iterations", pool, slowdown, ...engine });
  }
  return devices.map((device, slot) => ({
    ...device,
    sharing: sharing.get(slot) ?? device.sharing,
  }));
}

export function stepTimesOf({ steps }: EngineDocument, profiles: StepProfiles): StepTimes {
  if (typeof steps !== "string") return documentTimes(steps);
  const profile = profiles?.[steps];
  assert(profile !== undefined, `a checked scenario has the step profile that it names: ${steps}`);
  return documentTimes(profile.times);
}

type TimesDocument = StepProfile["times"];

const MADE = new WeakMap<TimesDocument, StepTimes>();

/** Tables are indexed once for all engines that have them. */
function documentTimes(times: TimesDocument): StepTimes {
  const made = MADE.get(times) ?? ("layers" in times ? layersOf(times) : coefficientsOf(times));
  MADE.set(times, made);
  return made;
}

function layersOf(tables: Extract<TimesDocument, { layers: number }>): StepTimes {
  const curve = (points: readonly (readonly [number, number])[]) =>
    points.map(([at, us]) => ({ at, us }));
  return layerTimes({
    layers: tables.layers,
    layer: curve(tables.layerUs),
    once: curve(tables.onceUs),
    head: curve(tables.headUs),
    attention: tables.attentionUs.map(([chunk, before, decodes, context, us]) => {
      return { chunk, before, decodes, context, us };
    }),
  });
}

function coefficientsOf(steps: Extract<TimesDocument, { prefill: unknown }>): StepTimes {
  const { prefill, decode, decodeMany, stepMs, sequenceMs } = steps;
  const coefficients = {
    prefill,
    decode,
    many: decodeMany?.from ?? Number.POSITIVE_INFINITY,
    decodeMany: decodeMany?.decode ?? decode,
  };
  return coefficientTimes(coefficients, { stepMs, sequenceMs });
}
