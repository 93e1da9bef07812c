/** The schedulers that a run uses: its own, those put in its place, and those that requests choose. */
import type { RequestChoice, Scheduler } from "../../core/dispatch/policies.ts";
import { Fault } from "../../core/fault.ts";
import { didYouMean } from "../../core/scenario/nearest.ts";
import type { SchedulerDocument } from "../../core/scenario/schema.ts";
import type { System } from "../../core/system.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { PRESETS } from "../../schedulers/registry.ts";
import type { Submission } from "./live-request.ts";

const MAX_PRIORITY = 1e9;
const NONE = -1;

/** A request's choice, and the number of the scheduler that its routing is from; −1: none. */
export interface NumberedChoice extends RequestChoice {
  readonly scheduler: number;
}

export class RunSchedulers {
  readonly #system: System;
  readonly #seed: string;
  /** Those besides the first, in order of their first use: the log's numbers. */
  readonly #others: SchedulerDocument[] = [];
  /** Those that requests chose, by preset. */
  readonly #chosen = new Map<string, { readonly number: number; readonly scheduler: Scheduler }>();
  #present: Scheduler;

  /** `present` is the run's own. */
  constructor(system: System, present: Scheduler, seed: string) {
    this.#system = system;
    this.#present = present;
    this.#seed = seed;
  }

  /** The one that decides now. */
  get present(): Scheduler {
    return this.#present;
  }

  /** Those besides the run's own, in the order of their numbers in the log. */
  get others(): readonly SchedulerDocument[] {
    return this.#others;
  }

  /** Puts another in the present one's place. Throws Fault("invalid-input") where none can be. */
  replace(document: SchedulerDocument): { number: number; scheduler: Scheduler } {
    const held = this.#system.pipelines.find((pipeline) => pipeline.held);
    if (held !== undefined) {
      throw new Fault("invalid-input", `requests of ${held.name} hold whole chains of replicas`, {
        hint: "where the discipline is pipeline-held there is no scheduler to choose",
      });
    }
    const made = this.#make(document);
    this.#present = made.scheduler;
    return made;
  }

  /** Null where the request leaves all to the deployment. Throws Fault("invalid-input"). */
  choiceOf(submission: Submission, timeScale: number): NumberedChoice | null {
    const { priority, scheduler, deadlineMs } = submission;
    if (priority === undefined && scheduler === undefined && deadlineMs === undefined) return null;
    if (
      priority !== undefined &&
      !(Number.isInteger(priority) && Math.abs(priority) <= MAX_PRIORITY)
    ) {
      throw new Fault("invalid-input", `priority is ${priority}, not a whole number up to 1e9`);
    }
    const chosen = scheduler === undefined ? null : this.#chosenBy(scheduler);
    const goalUs = Math.round(((deadlineMs ?? Number.POSITIVE_INFINITY) * 1000) / timeScale);
    return {
      priority: priority ?? null,
      goalUs,
      routing: chosen?.scheduler.pools.map(({ routing }) => routing) ?? null,
      scheduler: chosen?.number ?? NONE,
    };
  }

  #chosenBy(name: string): { readonly number: number; readonly scheduler: Scheduler } {
    const known = this.#chosen.get(name);
    if (known === undefined && !Object.hasOwn(PRESETS, name)) {
      const hint = didYouMean(name, Object.keys(PRESETS)) ?? Object.keys(PRESETS).join(", ");
      throw new Fault("invalid-input", `there is no scheduler ${JSON.stringify(name)}`, { hint });
    }
    const chosen = known ?? this.#make(name);
    const central = [this.#present, chosen.scheduler].find(({ pools }) =>
      pools.every(({ routing }) => routing.kind === "central"),
    );
    if (central !== undefined) {
      throw new Fault(
        "invalid-input",
        `${central.name} keeps one queue for all requests of a task, so none goes another way`,
        {
          hint:
            "a request can choose its routing (round-robin, random, join-shortest-queue, " +
            "power-of-two, least-expected-work) where the deployment routes on arrival",
        },
      );
    }
    this.#chosen.set(name, chosen);
    return chosen;
  }

  #make(document: SchedulerDocument): { number: number; scheduler: Scheduler } {
    const scheduler = createScheduler(document, this.#system, this.#seed);
    return { number: this.#others.push(document) - 1, scheduler };
  }
}
