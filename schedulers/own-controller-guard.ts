/** The guard around a user's controller: its events, and each command that it gives. */
import type { ClusterView, Controller, Controls } from "../core/dispatch/controller.ts";
import { Fault } from "../core/fault.ts";
import type { System } from "../core/system.ts";
import { called, type Guarded, hearing, isWhole, messageOf, must, shown } from "./own-failures.ts";

/** `settled` decides nothing either. */
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
    for (const [name, list] of Object.entries({ pools, scales })) {
      const range = `0 to ${system.pools.length - 1}`;
      const known = (pool: number): boolean => isWhole(pool, 0) && pool < system.pools.length;
      must(Array.isArray(list) && list.every(known), `${name} is no list of pools, ${range}`);
    }
    must(isWhole(timers, 0), `timers is ${shown(timers)}, not a whole number from 0`);
  });
  const methods = controller as unknown as Record<string, (...args: unknown[]) => unknown>;
  let checked: { readonly act: Controls; readonly by: Controls } | null = null;
  const decides = DECIDES.filter((name) => typeof methods[name] === "function").map((name) => [
    name,
    (...args: unknown[]) => {
      const act = args.at(-1) as Controls;
      const view = args.at(-2) as ClusterView;
      if (checked?.act !== act) checked = { act, by: checkedControls(act, view, controller) };
      const { by } = checked;
      return called(own, name, () => methods[name].apply(controller, [...args.slice(0, -1), by]));
    },
  ]);
  return {
    ...{ pools, scales, timers },
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
  move: [null, "pool"],
  proceed: [],
  enter: [],
  preempt: ["replica"],
  setBatch: ["replica"],
  setReplicas: ["pool"],
  order: ["replica"],
  release: ["replica"],
  load: [null, "model"],
  evict: [null, "model"],
};

type Numbered = "replica" | "pool" | "model";

/** Without its promise the driver is not prepared for a command. */
const NEEDS: Readonly<Record<string, (typeof FLAGS)[number]>> = {
  ...{ preempt: "preempts", load: "loads", evict: "loads", proceed: "proceeds" },
};

function checkedControls(act: Controls, view: ClusterView, controller: Controller): Controls {
  const { timers = 0, scales = [] } = controller;
  const { replicas, pools, models } = view.system;
  const counts = { replica: replicas.length, pool: pools.length, model: models.length };
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
      const flag =
        args[2] !== undefined && command.startsWith("start") ? "windows" : NEEDS[command];
      const promised = flag === undefined || controller[flag] === true;
      must(promised, `${command}(): the controller must have \`${flag}: true\``);
      if (["setReplicas", "order", "release"].includes(command)) {
        const [one, count = 0] = args as number[];
        const pool = command === "setReplicas" ? one : replicas[one].pool;
        const { name } = pools[pool];
        must(scales.includes(pool), `${command}(): ${name} is not in the controller's \`scales\``);
        must(isWhole(count, 0), `${command}(): ${shown(count)} is no whole number of replicas`);
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
      must(
        isWhole(timer, 0) && timer < timers,
        `wakeAt(): there is no timer ${shown(timer)} of ${timers}`,
      );
      must(
        atUs > view.nowUs,
        `wakeAt(): ${shown(atUs)} µs is not later than now, ${view.nowUs} µs`,
      );
      act.wakeAt(timer, atUs);
    },
  };
}
