/** The guard around a controller of the user: also its commands are checked. */

import { Fault } from "../engine/basics/fault.ts";
import type { ClusterView, Controller, Controls } from "../engine/dispatch/controller.ts";
import type { StartWindow } from "../engine/dispatch/driver.ts";
import type { System } from "../engine/system/system.ts";
import {
  called,
  type Guarded,
  hearing,
  isWhole,
  messageOf,
  must,
  shown,
  wholeFrom,
} from "./own-calls.ts";

const HEARS = [
  ...(["waits", "arrived", "queued", "finished", "ended"] as const),
  ...(["changed", "residency", "fed", "settled"] as const),
];
const FLAGS = [
  "preempts",
  "loads",
  "windows",
  "proceeds",
  "imputes",
  "heedsResources",
  "placesModels",
] as const;
const DECIDES = ["begin", "woken", "decide"];

/** Methods that it lacks stay absent, for nobody calls them. */
export function guardController(own: Guarded, controller: Controller, system: System): Controller {
  const { pools = [], scales = [], timers = 0 } = controller;
  called(own, "create", () => {
    const last = system.pools.length - 1;
    for (const [name, list] of Object.entries({ pools, scales })) {
      const isKnown = Array.isArray(list) && list.every((pool) => isWhole(pool, 0) && pool <= last);
      must(isKnown, `${name} is no list of pools, 0 to ${last}`);
    }
    wholeFrom(0, "timers", timers);
  });
  const methods = controller as unknown as Record<string, (...args: unknown[]) => unknown>;
  let checked: Controls | null = null;
  const decides = DECIDES.filter((name) => typeof methods[name] === "function").map((name) => [
    name,
    (...args: unknown[]) => {
      const [view, act] = args.slice(-2) as [ClusterView, Controls];
      checked ??= checkedControls(act, view, controller);
      const given = [...args.slice(0, -1), checked];
      return called(own, name, () => methods[name].apply(controller, given));
    },
  ]);
  return {
    pools,
    scales,
    timers,
    ...Object.fromEntries(FLAGS.flatMap((name) => (controller[name] ? [[name, true]] : []))),
    ...hearing(own, controller, HEARS),
    ...Object.fromEntries(decides),
  };
}

/** Numbers that a command names, so that an unknown one is called that. */
const NAMES: Readonly<
  Record<Exclude<keyof Controls, "wakeAt" | "hasWindows">, readonly (Numbered | null)[]>
> = {
  start: ["replica"],
  startNext: ["replica"],
  assign: [null, "replica"],
  drop: [],
  proceed: [],
  enter: [],
  preempt: ["replica"],
  setReplicas: ["pool"],
  order: ["replica"],
  release: ["replica"],
  load: ["slot", "model"],
  evict: ["slot", "model"],
};

type Numbered = "replica" | "pool" | "slot" | "model";

/** Without its promise the driver is not prepared for a command. */
const NEEDS: Readonly<Record<string, (typeof FLAGS)[number]>> = {
  preempt: "preempts",
  load: "loads",
  evict: "loads",
  proceed: "proceeds",
};

function checkedControls(act: Controls, view: ClusterView, controller: Controller): Controls {
  const { timers = 0, scales = [] } = controller;
  const { replicas, pools, models, devices } = view.system;
  const counts = {
    replica: replicas.length,
    pool: pools.length,
    slot: devices.length,
    model: models.length,
  };
  const commands = act as unknown as Record<string, (...args: unknown[]) => unknown>;
  const checked = Object.entries(NAMES).map(([command, names]) => [
    command,
    (...args: unknown[]) => {
      names.forEach((kind, i) => {
        if (kind === null) return;
        const known = isWhole(args[i], 0) && (args[i] as number) < counts[kind];
        const range = `${kind}s are numbered 0 to ${counts[kind] - 1}`;
        must(known, `${command}(): there is no ${kind} ${shown(args[i])}; ${range}`);
      });
      const window = command.startsWith("start") ? (args[2] as StartWindow | undefined) : undefined;
      for (const each of [...args, ...Object.values(window ?? {})].flat()) {
        const isNumber = typeof each !== "number" || Number.isInteger(each);
        must(isNumber, `${command}(): ${shown(each)} is no whole number`);
      }
      const flag = window === undefined ? NEEDS[command] : "windows";
      const promised = flag === undefined || controller[flag] === true;
      must(promised, `${command}(): the controller must have \`${flag}: true\``);
      if (["setReplicas", "order", "release"].includes(command)) {
        const [one, count = 0] = args as number[];
        const pool = command === "setReplicas" ? one : replicas[one].pool;
        const { name } = pools[pool];
        must(scales.includes(pool), `${command}(): ${name} is not in the controller's \`scales\``);
        must(count >= 0, `${command}(): ${shown(count)} is no number of replicas`);
      }
      try {
        return commands[command].apply(act, args);
      } catch (error) {
        if (error instanceof Fault) throw error;
        throw new Error(`${command}(${args.map(shown).join(", ")}): ${messageOf(error)}`, {
          cause: error,
        });
      }
    },
  ]);
  return {
    ...(Object.fromEntries(checked) as unknown as Omit<Controls, "wakeAt">),
    hasWindows: act.hasWindows,
    wakeAt: (timer, atUs) => {
      const isKnown = isWhole(timer, 0) && timer < timers;
      must(isKnown, `wakeAt(): there is no timer ${shown(timer)} of ${timers}`);
      const isLater = atUs > view.nowUs;
      must(isLater, `wakeAt(): ${shown(atUs)} µs is not later than now, ${view.nowUs} µs`);
      act.wakeAt(timer, Math.ceil(atUs));
    },
  };
}
