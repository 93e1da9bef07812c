/** Nonsense of a user's policies becomes a sentence; times between two microseconds are rounded up. */
import { expect, test } from "vitest";
import { z } from "zod";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { CheckingDriver } from "./contract.ts";
import { documentOf, systemOf } from "./contract-systems.test-support.ts";
import { createScheduler } from "./create-scheduler.ts";
import { type OwnComposition, ownScheduler } from "./own-scheduler.ts";
import { playOnce } from "./play.ts";

const tasks = { a: { model: "model" }, b: { model: "model", after: ["a"] } };
const system = systemOf(documentOf({ pipelines: { p: { tasks } }, replicas: { a: 3, b: 2 } }));

/** A scheduler of one policy, as a file that was loaded. */
function schedulerOf(decision: string, policy: unknown) {
  const definition = { name: "own", parameters: z.strictObject({}), create: () => policy };
  const made = ownScheduler("./own.mjs", () => ({ [decision]: definition }) as OwnComposition);
  return createScheduler({ file: "./own.mjs" }, system, "1", new Map([["./own.mjs", made]]));
}

const immediate = { kind: "immediate", needs: "nothing" };
const group = { kind: "group", maxBatch: 2, size: () => 1, dueUs: () => Number.POSITIVE_INFINITY };
const scaling = { intervalUs: 1e3, min: 1, max: 3, start: 1, downWindowUs: 0, replicas: () => 1 };
const controller = { pools: [0, 1], scales: [], timers: 1 };
type Act = Readonly<Record<string, (...args: unknown[]) => void>>;
const deciding = (command: (act: Act) => void) => ({
  ...controller,
  decide: (_: unknown, act: Act) => command(act),
});

test.each<[decision: string, policy: unknown, rule: string]>([
  ["admission", { admit: () => 1 }, "in admit: 1 is neither true nor false"],
  ["routing", { kind: "sideways" }, 'kind is "sideways", not "immediate" or "central"'],
  ["routing", { kind: "central", idle: "last" }, 'idle is "last", not "longest-idle"'],
  ["routing", { ...immediate, needs: "loads", route: () => 0 }, 'needs is "loads"'],
  ["routing", { ...immediate, route: () => Number.NaN }, "NaN is no replica of the pool"],
  ["ordering", { kind: "keyed", key: () => Number.NaN }, "in key: NaN is no number"],
  ["ordering", { kind: "keyed" }, "in key: TypeError: rule.key is not a function"],
  ["ordering", null, "it returned null, not object"],
  ["batching", { ...group, maxBatch: "8" }, 'maxBatch is "8", not a whole number from 1'],
  ["batching", { ...group, size: () => Number.NaN }, "in size: NaN is not a whole number"],
  ["batching", { ...group, size: () => 0, dueUs: () => 0 }, "in dueUs: 0 µs is not later"],
  ["batching", { ...group, size: () => 0, dueUs: () => Number.NaN }, "NaN µs is not later"],
  ["shedding", {}, "it returned object, not function"],
  ["scaling", { ...scaling, intervalUs: 0.5 }, "intervalUs is 0.5, not a whole number from 1"],
  ["scaling", { ...scaling, replicas: () => Number.NaN }, "NaN is no whole number of replicas"],
  ["controller", { ...controller, pools: [7] }, "pools is no list of pools, 0 to 1"],
  ["controller", deciding((act) => act.startNext(0, 1.5)), "startNext(): 1.5 is no whole number"],
  ["controller", deciding((act) => act.setReplicas(0, Number.NaN)), "NaN is no whole number"],
  ["controller", deciding((act) => act.start(0, [Number.NaN])), "start(): NaN is no whole number"],
  ["controller", deciding((act) => act.start(0)), "in decide: start(0): TypeError"],
  ["controller", deciding((act) => act.wakeAt(1, 1e9)), "there is no timer 1 of 1"],
  ["controller", deciding((act) => act.wakeAt(0, Number.NaN)), "NaN µs is not later than now"],
  ["controller", deciding((act) => act.enter(0)), "only a request at the gate is let in"],
  ["controller", deciding((act) => act.load(99, 0)), "there is no slot 99"],
  ["controller", deciding((act) => act.drop(99)), "only a job that waits is dropped"],
])("%s %o is refused", (decision, policy, rule) => {
  let verdict: unknown;
  try {
    verdict = playOnce(system, () => schedulerOf(decision, policy), 1, "calm")?.rule;
  } catch (error) {
    verdict = (error as Error).message;
  }
  expect(verdict).toContain(rule);
  expect(verdict).toMatch(/^own\.mjs: (controller|\w+ policy) "own", in \w+: /);
});

test.each<[decision: string, policy: unknown, rule: string]>([
  ["ordering", { kind: "keyed", key: () => Math.random() }, "without a clock or Math.random"],
  ["ordering", { kind: "keyed", key: () => -performance.now() }, "another number when asked"],
  [
    "batching",
    { ...group, size: () => 0, dueUs: () => Number.POSITIVE_INFINITY },
    "jobs for which `size` is 0 wait until `dueUs`: Infinity never starts them",
  ],
])("%s %o breaks a rule, in words", (decision, policy, rule) => {
  const verdicts = Array.from({ length: 20 }, (_, number) =>
    playOnce(system, () => schedulerOf(decision, policy), number, "calm"),
  );
  // What comes of a key by chance may break another rule first.
  expect(verdicts.map((one) => one?.rule).join("\n")).toContain(rule);
});

test("times between two microseconds are rounded up, so that the log holds whole ones", () => {
  const waits = { ...group, size: ({ length }: { length: number }) => Math.floor(length / 2) };
  const dueUs = ({ oldestUs }: { oldestUs: number }) => oldestUs + 1e3 / 3;
  const wakes = { ...controller, pools: [], begin: (_: unknown, act: Act) => act.wakeAt(0, 0.5) };
  const timers = (decision: string, policy: unknown) => {
    const log = new RunLog();
    const driver = new CheckingDriver(system, schedulerOf(decision, policy), log);
    driver.joinAll();
    driver.arrive(0, -1);
    driver.decide();
    return RunLog.parse(log.toJsonLines()).entries.filter(([kind]) => kind === "wakeAt");
  };
  expect(timers("batching", { ...waits, dueUs })).toEqual([["wakeAt", 0, 334]]);
  expect(timers("controller", wakes)).toEqual([["wakeAt", 7, 1]]);
});

test("runs of one loaded file that go on side by side keep their failures apart", () => {
  const key = ({ arrivedUs }: { arrivedUs: number }) => (arrivedUs > 1 ? Number.NaN : 0);
  const definition = {
    name: "own",
    parameters: z.strictObject({}),
    create: () => ({ kind: "keyed", key }),
  };
  const file = ownScheduler("./own.mjs", () => ({ ordering: definition }) as never);
  const [failing, sound] = [2, 1].map((nowUs) => {
    const own = new Map([["./own.mjs", file]]);
    const scheduler = createScheduler({ file: "./own.mjs" }, system, "1", own);
    return Object.assign(new CheckingDriver(system, scheduler), { nowUs });
  });
  for (const driver of [failing, sound]) driver.arrive(0, -1);
  expect(() => sound.dispatcher.decide(1)).not.toThrow();
  expect(() => failing.dispatcher.decide(2)).toThrow("NaN is no number");
});
