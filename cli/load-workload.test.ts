import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import type { Fault } from "../engine/basics/fault.ts";
import { patient } from "../library/load.ts";
import { loadWorkload, namingOptions, type WorkloadArguments } from "./load.ts";

const folder = temporaryFolder("load-workload");

let files = 0;

/** Path of a new scenario with the workload. */
function scenario(workload: object, more: object = {}): string {
  const file = join(folder, `${++files}.yaml`);
  const document = {
    name: "s",
    pipelines: { p: { tasks: { t: { model: "m" } } } },
    models: { m: { service: { distribution: "deterministic", meanMs: 1 } } },
    cluster: { replicas: { t: 1 } },
    workload,
    ...more,
  };
  writeFileSync(file, JSON.stringify(document));
  return file;
}

const workloadOf = async (options: Partial<WorkloadArguments>) => {
  const args = { set: [], ...options };
  return patient(await namingOptions(args, () => loadWorkload(args))).document.workload;
};

describe("how long clients wait", () => {
  const client = { timeoutMs: 5, retries: 1 };
  const plain = { arrivals: "poisson", ratePerS: 5, durationS: 1 };

  it.each([
    ["by options alone, a minute", { rate: 5 }, { timeoutMs: 60_000, retries: 0 }],
    ["and so where they try again", { rate: 5, retries: 2 }, { timeoutMs: 60_000, retries: 2 }],
    ["as long as --timeout says", { rate: 5, timeout: 70 }, { timeoutMs: 70, retries: 0 }],
    ["with a --timeout of 0, centuries", { rate: 5, timeout: 0 }, { timeoutMs: 1e12 }],
  ])("is, %s", async (_, options, expected) => {
    expect((await workloadOf(options)).client).toMatchObject(expected);
  });

  it("is a minute too where a scenario says nothing of it, else what that says", async () => {
    expect((await workloadOf({ scenario: scenario(plain) })).client?.timeoutMs).toBe(60_000);
    const own = scenario({ ...plain, client });
    expect((await workloadOf({ scenario: own })).client).toMatchObject(client);
    const never = await workloadOf({ scenario: own, timeout: 0 });
    expect(never.client).toMatchObject({ timeoutMs: 1e12, retries: 1 });
  });
});

describe("--duration", () => {
  const long = { arrivals: "poisson", ratePerS: 5, durationS: 600, warmupS: 60 };

  it.each([
    [{ duration: 30 }, { durationS: 30, warmupS: 3 }],
    [
      { duration: 30, set: ["workload.warmupS=1"] },
      { durationS: 30, warmupS: 1 },
    ],
    [{ duration: 900 }, { durationS: 900, warmupS: 60 }],
  ])("%j shortens the warm-up with the run", async (options, expected) => {
    expect(await workloadOf({ scenario: scenario(long), ...options })).toMatchObject(expected);
  });
});

describe("options in place of a scenario's own", () => {
  const own = {
    arrivals: "poisson",
    ratePerS: 5,
    durationS: 60,
    warmupS: 20,
    client: { timeoutMs: 9 },
  };

  it.each<[Partial<WorkloadArguments>, object, string]>([
    [{ clients: 3 }, { arrivals: "closed", clients: 3, durationS: 60 }, "ratePerS"],
    [{ clients: 3, count: 9 }, { arrivals: "closed", requests: 9 }, "durationS"],
    [{ arrivals: "deterministic" }, { arrivals: "deterministic", ratePerS: 5 }, "clients"],
    [{ count: 9 }, { arrivals: "poisson", ratePerS: 5, requests: 9, warmupS: 0 }, "durationS"],
  ])("%j leave out what has no use then", async (options, expected, without) => {
    const sweep = { "workload.ratePerS": [5, 10] };
    const validation = { repeats: 3, points: [{ "workload.ratePerS": 5 }] };
    const file = scenario(own, { sweep, validation });
    const workload = await workloadOf({ scenario: file, ...options });
    expect(workload).toMatchObject({ ...expected, client: { timeoutMs: 9 } });
    expect(workload).not.toHaveProperty(without);
  });
});

describe("an option that the arrivals do not have is named, with the way out:", () => {
  it.each<[Partial<WorkloadArguments>, string, RegExp, RegExp]>([
    [
      { arrivals: "closed", rate: 5 },
      "--rate",
      /^does not go with --arrivals closed$/,
      /^leave it out, or give --arrivals poisson, deterministic, mlperf-server; closed takes --clients, --duration, --count, --timeout, --retries$/,
    ],
    [
      { clients: 3, rate: 5 },
      "--rate",
      /^does not go with --clients, which is a closed loop$/,
      /^leave it out, or give --arrivals poisson/,
    ],
    [
      { arrivals: "poisson", rate: 5, clients: 3 },
      "--clients",
      /^does not go with --arrivals poisson$/,
      /--arrivals closed; poisson takes --rate,/,
    ],
    [
      { arrivals: "mlperf-single-stream", count: 5 },
      "--count",
      /^does not go with --arrivals mlperf-single-stream$/,
      /--set workload.minQueries/,
    ],
    [
      { scenario: scenario({ arrivals: "closed", clients: 2, requests: 5 }), rate: 5 },
      "--rate",
      /^does not go with the workload's arrivals$/,
      /^leave it out, or give --arrivals poisson, deterministic, mlperf-server$/,
    ],
  ])("%j", async (options, option, message, hint) => {
    const fault = (await workloadOf(options).catch((error: unknown) => error)) as Fault;
    expect(fault.code).toBe("invalid-input");
    const issue = fault.issues.find(({ file }) => file === option);
    expect(issue?.message).toMatch(message);
    expect(issue?.hint).toMatch(hint);
  });

  it("is none of an endpoint's capacity, which nobody knows", async () => {
    const options = { arrivals: "poisson", set: ["workload.ratePerS.ofCapacity=0.5"] } as const;
    const fault = (await workloadOf(options).catch((error: unknown) => error)) as Fault;
    expect(fault.issues).toMatchObject([{ message: expect.stringMatching(/needs a capacity/) }]);
    const scenarios = scenario({
      arrivals: "poisson",
      ratePerS: { ofCapacity: 0.5 },
      durationS: 1,
    });
    expect(await workloadOf({ scenario: scenarios })).toMatchObject({ ratePerS: 500 });
  });
});
