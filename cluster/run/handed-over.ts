/**
 * Sequences that the engine of one task has begun and that of another goes on with: the first keeps their blocks until
 * the second has room, or nobody waits for them.
 */
import type { System } from "../../engine/system/system.ts";
import { keptOf, type ModelInferResponse } from "../protocol/messages.ts";
import type { StartedBatch } from "./batch.ts";
import type { LiveRequest } from "./live-request.ts";
import type { Command } from "./run-events.ts";

type Free = Extract<Command, { kind: "free" }>;

interface Kept extends Free {
  readonly task: number;
}

export class HandedOver {
  readonly #system: System;
  readonly #kept = new Map<LiveRequest, readonly Kept[]>();

  constructor(system: System) {
    this.#system = system;
  }

  /** A place has come, whose engine may keep sequences of it that are lost, or of a gateway that is gone. */
  joined(replica: number): readonly Free[] {
    const { pipelines, replicas } = this.#system;
    const { pool } = replicas[replica];
    const handsOver = pipelines.some(({ tasks }) =>
      tasks.some(({ continuation }) => continuation && tasks[continuation.task].pool === pool),
    );
    return handsOver ? [{ kind: "free", replica, kept: null }] : [];
  }

  /** A batch was answered. What its engine keeps for a request that has ended is to be freed. */
  served(
    { replica, requests: [request], tasks: [task] }: StartedBatch,
    response: ModelInferResponse,
    isLive: boolean,
  ): readonly Free[] {
    const kept = keptOf(response);
    if (kept === null) return [];
    const own: Kept = { kind: "free", replica, kept, task };
    if (!isLive) return [own];
    this.#kept.set(request, [...(this.#kept.get(request) ?? []), own]);
    return [];
  }

  /** The batch's engine has room for a sequence: what another keeps of it, or null. */
  taken({ requests: [request], tasks: [task] }: StartedBatch): Free | null {
    const { continuation } = this.#system.pipelines[request.pipeline].tasks[task];
    const all = this.#kept.get(request) ?? [];
    const own = all.find((one) => one.task === continuation?.task);
    if (own === undefined) return null;
    this.#keep(
      request,
      all.filter((one) => one !== own),
    );
    return own;
  }

  /** Everything that is still kept for a request that ends. */
  ended(request: LiveRequest): readonly Free[] {
    const all = this.#kept.get(request) ?? [];
    this.#kept.delete(request);
    return all;
  }

  /** Nothing is kept of a place that is lost: it is freed when the place comes again. */
  lost(replica: number): void {
    for (const [request, all] of this.#kept) {
      const left = all.filter((one) => one.replica !== replica);
      if (left.length < all.length) this.#keep(request, left);
    }
  }

  #keep(request: LiveRequest, kept: readonly Kept[]): void {
    if (kept.length === 0) this.#kept.delete(request);
    else this.#kept.set(request, kept);
  }
}
