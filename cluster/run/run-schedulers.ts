/** The schedulers of a run: its own, its replacements, and those that requests choose. */

import { Fault, type Issue } from "../../engine/basics/fault.ts";
import type { RequestChoice, Scheduler } from "../../engine/dispatch/policies.ts";
import type { System } from "../../engine/system/system.ts";
import { didYouMean } from "../../scenario/reading/issues.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { checkScheduler } from "../../schedulers/check-scheduler.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { PRESETS } from "../../schedulers/registry.ts";
import type { Submission } from "./live-request.ts";

const MAX_PRIORITY = 1e9;

/** A request's choice, with the number of the scheduler that gives its routing; −1: none. */
export interface NumberedChoice extends RequestChoice {
  readonly scheduler: number;
}

export class RunSchedulers {
  present: Scheduler;
  /** All but the run's own, by their numbers in the log: in order of first use. */
  readonly others: SchedulerDocument[] = [];
  readonly #system: System;
  readonly #seed: string;
  /** Chosen by requests, by preset. */
  readonly #chosen = new Map<string, { readonly number: number; readonly scheduler: Scheduler }>();

  constructor(system: System, present: Scheduler, seed: string) {
    this.#system = system;
    this.present = present;
    this.#seed = seed;
  }

  /** Replaces the present scheduler. Throws Fault("invalid-input") where none can replace it. */
  replace(document: SchedulerDocument): { number: number; scheduler: Scheduler } {
    const held = this.#system.pipelines.find((pipeline) => pipeline.held);
    if (held !== undefined) {
      throw new Fault("invalid-input", `requests of ${held.name} hold whole chains of replicas`, {
        hint: "where the discipline is pipeline-held there is no scheduler to choose",
      });
    }
    const made = this.#make(document);
    this.present = made.scheduler;
    return made;
  }

  /** Null for a request without options of its own. Throws Fault("invalid-input"). */
  choiceOf(submission: Submission, timeScale: number): NumberedChoice | null {
    const { priority, scheduler, deadlineMs } = submission;
    if (priority === undefined && scheduler === undefined && deadlineMs === undefined) return null;
    const isPriority = Number.isInteger(priority ?? 0) && Math.abs(priority ?? 0) <= MAX_PRIORITY;
    if (!isPriority) {
      throw new Fault("invalid-input", `priority is ${priority}, not a whole number up to 1e9`);
    }
    const chosen = scheduler === undefined ? null : this.#chosenBy(scheduler);
    const goalUs = Math.round(((deadlineMs ?? Number.POSITIVE_INFINITY) * 1000) / timeScale);
    return {
      priority: priority ?? null,
      goalUs,
      routing: chosen?.scheduler.pools.map(({ routing }) => routing) ?? null,
      scheduler: chosen?.number ?? -1,
    };
  }

  #chosenBy(name: string): { readonly number: number; readonly scheduler: Scheduler } {
    const known = this.#chosen.get(name);
    if (known === undefined && !Object.hasOwn(PRESETS, name)) {
      const hint = didYouMean(name, Object.keys(PRESETS)) ?? Object.keys(PRESETS).join(", ");
      throw new Fault("invalid-input", `there is no scheduler ${JSON.stringify(name)}`, { hint });
    }
    const chosen = known ?? this.#make(name);
    const central = [this.present, chosen.scheduler].find(({ pools }) =>
      pools.every(({ routing }) => routing.kind === "central"),
    );
    if (central !== undefined) {
      const message = `${central.name} keeps one queue for all requests of a task, so none goes another way`;
      throw new Fault("invalid-input", message, {
        hint:
          "a request can choose its routing (round-robin, random, join-shortest-queue, " +
          "power-of-two, least-expected-work) where the deployment routes on arrival",
      });
    }
    this.#chosen.set(name, chosen);
    return chosen;
  }

  #make(document: SchedulerDocument): { number: number; scheduler: Scheduler } {
    const scheduler = createScheduler(document, this.#system, this.#seed);
    return { number: this.others.push(document) - 1, scheduler };
  }
}

/** Throws Fault("invalid-input") with all that is wrong with a scheduler for this system. */
export function checkSchedulerOf(scheduler: SchedulerDocument, system: System): void {
  if (typeof scheduler !== "string" && scheduler.file !== undefined) {
    throw new Fault(
      "invalid-input",
      "a scheduler of your own is code, which no request can bring",
      {
        hint: "name it in the scenario of `tandem cluster up`: its gateway then starts with it",
      },
    );
  }
  const pipelines = system.pipelines.map(({ name }) => name);
  const issues: Issue[] = checkScheduler(scheduler, "scheduler", pipelines);
  const tasks = new Set(system.pools.flatMap(({ task, name }) => [task, name]));
  const perTask = typeof scheduler === "string" ? {} : (scheduler.perTask ?? {});
  for (const task of Object.keys(perTask)) {
    if (tasks.has(task)) continue;
    const hint = `its tasks are ${[...tasks].join(", ")}`;
    issues.push({ path: `scheduler.perTask.${task}`, message: "no such task", hint });
  }
  if (issues.length === 0) return;
  const text = issues.map(({ path, message }) => `${path}: ${message}`).join("; ");
  throw new Fault("invalid-input", `no such scheduler can be made: ${text}`, { issues });
}
