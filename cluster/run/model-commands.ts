/** Loading a model onto a device slot and taking it off, on all workers of the slot. */

import type { System } from "../../engine/system/system.ts";
import type { Clock } from "../time/clock.ts";
import type { ReplicaLinks } from "./replica-links.ts";

export interface ModelCommand {
  readonly kind: "load" | "evict";
  readonly slot: number;
  readonly model: number;
}

/** Calls `done` once, never from within: with whether all workers have done it. Not where the slot has no such replica. */
export function commandModel(
  { kind, slot, model }: ModelCommand,
  { replicas, pools, models }: System,
  links: ReplicaLinks,
  clock: Pick<Clock, "soon">,
  done: (areDone: boolean) => void,
): void {
  const { name } = models[model];
  const concerned = links.all.filter(
    (_, replica) => replicas[replica].slot === slot && pools[replicas[replica].pool].model === name,
  );
  let open = concerned.length;
  let areDone = true;
  const ended = (isDone: boolean): void => {
    areDone &&= isDone;
    if (--open === 0) done(areDone);
  };
  for (const link of concerned) {
    if (link === null) clock.soon(() => ended(false));
    else link.command(kind, ended);
  }
}

/** Whether each device slot is in one worker, which alone can run its batches in turn. */
export function slotsAreWhole({ replicas }: System, links: ReplicaLinks): boolean {
  const addressOf = new Map<number, string>();
  return links.all.every((link, replica) => {
    if (link === null) return true;
    const { slot } = replicas[replica];
    const first = addressOf.get(slot) ?? link.address;
    addressOf.set(slot, first);
    return first === link.address;
  });
}
