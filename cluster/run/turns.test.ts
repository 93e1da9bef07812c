import { expect, test } from "vitest";
import { Fault } from "../../engine/basics/fault.ts";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { NO_INPUTS, noOp } from "../deployment.test-support.ts";
import type { StartedBatch } from "./batch.ts";
import { RunDraws } from "./draws.ts";
import { HandedOver } from "./handed-over.ts";
import { type LiveRequest, liveRequest } from "./live-request.ts";
import { Recording } from "./recording.ts";
import { roomOf } from "./room.ts";
import type { Command, RunEvent } from "./run-events.ts";
import { RunSchedulers } from "./run-schedulers.ts";
import { DEFAULT_BOUNDS } from "./specification.ts";
import { SUBMISSION } from "./submission.test-support.ts";
import { Turns } from "./turns.ts";

interface Given {
  readonly bounds?: object;
  readonly scheduler?: object;
  /** Replicas of each task; the tasks are branches that nothing precedes. */
  readonly tasks?: Readonly<Record<string, number>>;
}

/** A run of one task on two replicas, without clock, timers and links; `after` says what a turn gave. */
function turns({ bounds = {}, scheduler = {}, tasks = { only: 2 } }: Given = {}) {
  const batching = { policy: "size-or-timeout", maxBatch: 2, waitMs: 0 };
  const policies = { routing: "central", ordering: "fifo", batching, ...scheduler };
  const service = { distribution: "deterministic", meanMs: 1, batch: { marginal: 0, max: 4 } };
  const models = { nothing: { service } };
  const branches = Object.keys(tasks).map((task) => [task, { model: "nothing" }]);
  const pipelines = { echo: { tasks: Object.fromEntries(branches) } };
  const document = noOp({ pipelines, models, cluster: { replicas: tasks }, scheduler: policies });
  const system = compileSystem(document, NO_INPUTS);
  const log = new RunLog();
  const options = {
    system,
    ownSystem: system,
    scheduler: createScheduler(document.scheduler, system, "1"),
    seed: "1",
    backend: "replay" as const,
    timeScale: 1,
    warmupUs: 0,
    maxBars: 0,
    log,
    sinks: [],
    trace: null,
    triedAgain: false,
    boundQueue: false,
    bounds: { ...DEFAULT_BOUNDS, ...bounds },
  };
  const draws = new RunDraws(options);
  const run = new Turns(options, {
    recording: new Recording(options),
    draws,
    room: roomOf(options, options.scheduler, { nowUs: () => 0 }),
    schedulers: new RunSchedulers(system, options.scheduler, "1"),
    handedOver: new HandedOver(system),
    feedback: { keep: () => undefined },
    hasWindows: false,
    isUp: () => true,
  });
  let nowUs = 0;
  const after = (event: RunEvent): readonly string[] => {
    const { commands, answers } = run.run(event, ++nowUs);
    const ends = answers.map(({ outcome, error, request }) =>
      [`${outcome} ${request.index}`, ...(error === null ? [] : [error.message])].join(": "),
    );
    return [...commands.map(told), ...ends];
  };
  const request = (index: number): LiveRequest => {
    const submission = { ...SUBMISSION, index };
    const slot = run.reserve(null);
    const { goalUs } = draws.take(submission, slot);
    const { answer } = submission;
    const taking = { slot, arrivedUs: nowUs, goalUs, takenAtUs: 0, takenUs: nowUs, answer };
    return liveRequest(submission, { ...taking, results: system.stride });
  };
  const arrive = (index: number) => after({ kind: "arrive", request: request(index) });
  for (const replica of [0, 1]) after({ kind: "join", replica });
  return { run, log, after, request, arrive };
}

function told(command: Command): string {
  if (command.kind === "send") {
    const { replica, requests } = command.batch;
    return `send ${requests.map(({ index }) => index)} to ${replica}`;
  }
  const { kind, ...rest } = command;
  return [kind, ...Object.values(rest)].join(" ");
}

const outputsOf = ({ requests }: StartedBatch) =>
  requests.map(() => ({ text: Buffer.from('{"labels":["cat"]}'), tensors: [] }));

/** The worker of a replica has answered its batch. */
function served(run: Turns, replica: number, leaves = false): RunEvent {
  const batch = run.batchOn(replica) as StartedBatch;
  const response = { modelName: "r", outputs: [] };
  const times = { serviceUs: 1, hopUs: 0 };
  return { kind: "served", batch, response, outputs: outputsOf(batch), times, leaves };
}

test("a request becomes a batch where a replica is free, waits where none is, and ends with its batch", () => {
  const { run, after, arrive } = turns();
  const given = [arrive(0), arrive(1), arrive(2), arrive(3), after(served(run, 1))];
  expect(given).toEqual([
    ["send 0 to 0"],
    ["send 1 to 1"],
    [],
    [],
    ["send 2,3 to 1", "completed 1"],
  ]);
  expect(run.batchOn(0)?.requests.map(({ index }) => index)).toEqual([0]);
  expect(run.idle).toBe(false);
});

test("a lost replica's batch runs on another, and on a drained one nothing any more", () => {
  const { run, after, arrive } = turns();
  const given = [
    arrive(0),
    after({ kind: "lose", replica: 0 }),
    arrive(1),
    after(served(run, 1, true)),
    after({ kind: "join", replica: 0 }),
  ];
  expect(given).toEqual([["send 0 to 0"], ["send 0 to 1"], [], ["completed 0"], ["send 1 to 0"]]);
});

test("a request whose replicas are lost one after another ends with the reason of the last", () => {
  const { run, after, arrive } = turns();
  let given = arrive(0);
  for (let losses = 0; losses < 20 && !given.at(-1)?.startsWith("failed"); losses++) {
    const replica = run.batchOn(0) === null ? 1 : 0;
    given = after({ kind: "lose", replica, reason: "the endpoint fell silent" });
    after({ kind: "join", replica });
  }
  expect(given).toEqual(["failed 0: its worker was lost: the endpoint fell silent"]);
});

test("a branch that is served takes no reason from a lost one, and what is done again leaves none", () => {
  const { run, after, arrive } = turns({ tasks: { left: 1, right: 1 } });
  const lose = (): readonly string[] => {
    const given = after({ kind: "lose", replica: 0, reason: "the endpoint fell silent" });
    return [...given, ...after({ kind: "join", replica: 0 })];
  };
  arrive(0);
  lose();
  after(served(run, 1));
  let given: readonly string[] = [];
  for (let losses = 0; losses < 20 && run.inSystem > 0; losses++) given = lose();
  expect(given).toEqual(["failed 0: its worker was lost: the endpoint fell silent"]);
  arrive(1);
  lose();
  after(served(run, 1));
  expect(after(served(run, 0))).toEqual(["completed 1"]);
});

test("where the budget of retries is spent a lost batch ends with an error", () => {
  const { after, arrive } = turns({ bounds: { retryTokens: 0 } });
  expect([arrive(0), after({ kind: "lose", replica: 0 })]).toEqual([
    ["send 0 to 0"],
    ["failed 0: its replica was lost, and too much work is being done again already"],
  ]);
});

test("a batch that would fail everywhere ends its requests, one that failed here is tried elsewhere", () => {
  const { run, after, arrive } = turns();
  arrive(0);
  arrive(1);
  const fails = (replica: number, everywhere: "invalid-input" | null): readonly string[] => {
    const batch = run.batchOn(replica) as StartedBatch;
    return after({ kind: "failed", batch, message: "it broke", everywhere, leaves: false });
  };
  expect([fails(0, "invalid-input"), fails(1, null)]).toEqual([
    ["failed 0: it broke"],
    ["send 1 to 0"],
  ]);
});

test("a batch is given up with the last of its requests, and its answer ends none", () => {
  const { run, after, arrive, request } = turns();
  const [own, other] = [request(2), request(3)];
  for (const index of [0, 1]) arrive(index);
  for (const one of [own, other]) after({ kind: "arrive", request: one });
  after(served(run, 0));
  const given = [own, other].map((one) => after({ kind: "cancel", request: one }));
  expect(given).toEqual([["cancelled 2"], ["give-up 0", "cancelled 3"]]);
  expect(after(served(run, 0))).toEqual([]);
  expect([run.isLive(own), run.inSystem]).toEqual([false, 1]);
});

test("timers come out as commands and go in as events", () => {
  const batching = { policy: "size-or-timeout", maxBatch: 2, waitMs: 5 };
  const { after, arrive } = turns({ scheduler: { batching } });
  const [wake, ...others] = arrive(0);
  const [, timer, atUs] = wake.split(" ");
  expect([Number(atUs), others]).toEqual([3 + 5000, []]);
  // Too early: it is asked for again.
  expect(after({ kind: "wake", timer: Number(timer) })).toEqual([wake]);
});

test("another scheduler takes what waits, and solutions for the one before are forgotten", () => {
  const { run, after, arrive } = turns();
  for (const index of [0, 1, 2, 3, 4]) arrive(index);
  const batching = { policy: "size-or-timeout", maxBatch: 4, waitMs: 0 } as const;
  const scheduler = { routing: "central", ordering: "fifo", batching } as const;
  expect(after({ kind: "reschedule", scheduler })).toEqual(["forget"]);
  expect(after(served(run, 0))).toEqual(["send 2,3,4 to 0", "completed 0"]);
});

test("all requests for which it holds end with the error", () => {
  const { after, arrive } = turns();
  for (const index of [0, 1, 2]) arrive(index);
  const error = new Fault("unavailable", "no replica");
  const which = ({ index }: LiveRequest) => index !== 1;
  expect(after({ kind: "fail", which, error })).toEqual([
    "give-up 0",
    "failed 0: no replica",
    "failed 2: no replica",
  ]);
});

test("equal events at equal instants give equal logs", () => {
  const logs = [turns(), turns()].map(({ run, log, after, arrive }) => {
    for (let index = 0; index < 6; index++) arrive(index);
    after({ kind: "lose", replica: 0 });
    after(served(run, 1));
    return log.toJsonLines();
  });
  expect(logs[0]).toBe(logs[1]);
});
