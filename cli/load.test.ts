/** `tandem load` as its user runs it, against an endpoint on a real socket. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { withEndpoint } from "../cluster/load/http-endpoint.test-support.ts";
import type { LoadReport } from "../cluster/load/load-report.ts";
import { sumOf } from "../engine/statistics/estimate.ts";
import type { LoadMeasurement } from "../library/index.ts";
import { rangeOf, searched, searchText, thresholdOf } from "./load-search.ts";
import { type Ended, tandemHere } from "./tandem-here.test-support.ts";

const load = (...words: readonly string[]): Promise<Ended> =>
  tandemHere(tmpdir(), ["load", ...words]);

const SCENARIO = {
  name: "s",
  pipelines: { p: { tasks: { t: { model: "m" } } } },
  models: { m: { service: { distribution: "deterministic", meanMs: 1 } } },
  cluster: { replicas: { t: 1 } },
};

/** Hands over the path of a file with the scenario. */
async function withScenario<T>(scenario: object, use: (file: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "tandem-load-"));
  const file = join(directory, "s.yaml");
  writeFileSync(file, JSON.stringify(scenario));
  try {
    return await use(file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe("tandem load", () => {
  it("drives any address without a scenario, and its exit code says what the report says", async () => {
    let served = 0;
    const { code, stdout } = await withEndpoint(
      (_request, response) => {
        served++;
        response.end("fine");
      },
      (url) => load("--url", url, "--rate", "100", "--count", "40", "--json"),
    );
    const report = JSON.parse(stdout) as LoadReport & { schema: string; command: string };
    expect(report.schema).toBe("tandem/load@1");
    expect(report.requests).toBe(40);
    expect(served).toBe(40);
    expect(report.statuses).toEqual({ OK: 40 });
    // Of 40 requests, ten are above p75, and four above p90.
    expect(report.percentiles.map(({ percentile }) => percentile)).toEqual([50, 75, 100]);
    expect(report.latencyP99Ms).not.toBeNull();
    expect(code).toBe(report.verdict === "fit" ? 0 : 3);
    for (const part of [
      /^node \S+tandem\.js load --seed 1 /,
      / --url http\S+/,
      / --rate 100 --count 40/,
    ]) {
      expect(report.command).toMatch(part);
    }
  });

  it("sends a gateway's language model texts of the scenario's lengths, or else of the gateway's", async () => {
    const tokens = { prompt: { distribution: "exponential", mean: 30 }, output: 7, most: 500 };
    const writes = {
      ...SCENARIO,
      pipelines: { p: { tasks: { t: { model: "m", tokens } } } },
      models: { m: { tokens: { steps: { prefill: [1, 0, 0], decode: [1, 0, 0] } } } },
      workload: { arrivals: "poisson", ratePerS: 100, requests: 20 },
    };
    const metadata = {
      name: "p",
      versions: ["1"],
      platform: "tandem_pipeline",
      outputs: [],
      inputs: [{ name: "payload", datatype: "BYTES", shape: [-1] }],
      parameters: {
        prompt_tokens: { string_value: "12" },
        output_tokens: { string_value: "5" },
      },
    };
    const bodies: { inputs: { data: string[] }[]; parameters: unknown }[] = [];
    const send = (...words: string[]) =>
      withEndpoint(
        ({ method }, response, body) => {
          if (method === "POST") bodies.push(JSON.parse(body.toString()));
          response.end(JSON.stringify(metadata));
        },
        (url) => load(...words, "--url", new URL(url).origin),
      );
    await withScenario(writes, (file) => send(file));
    const texts = bodies.map(({ inputs: [{ data }] }) => data[0]);
    expect(new Set(texts).size).toBe(20);
    const lengths = texts.map((text) => text.split(" ").length);
    const mean = sumOf(lengths) / lengths.length;
    // Of 20 drawn lengths, five standard deviations.
    expect(Math.abs(mean - 30)).toBeLessThan(34);
    expect(new Set(lengths).size).toBeGreaterThan(5);
    expect(bodies.map(({ parameters }) => parameters)).toEqual(
      new Array(20).fill({ max_tokens: 7 }),
    );
    bodies.length = 0;
    await send("--model", "p", "--rate", "100", "--count", "3");
    const plain = bodies.map(({ inputs: [{ data }] }) => data[0].split(" ").length);
    expect(plain).toEqual([12, 12, 12]);
    expect(bodies[0].parameters).toEqual({ max_tokens: 5 });
  });

  const kept = temporaryFolder("load");

  it("fails where a threshold is not met, or too few requests tell; --out keeps the report", async () => {
    await withEndpoint(
      (_request, response) => void response.end("fine"),
      async (url) => {
        const options = ["--url", url, "--rate", "200", "--count", "20"];
        const met = await load(...options, "--threshold", "p50<60000", "--out", kept, "--json");
        const { verdict } = JSON.parse(met.stdout) as LoadReport;
        expect(met.code).toBe(verdict === "fit" ? 0 : 3);
        expect(met.stderr).not.toContain("a threshold is not met");
        const written = JSON.parse(readFileSync(join(kept, "load.json"), "utf8"));
        expect(written).toEqual(JSON.parse(met.stdout));
        const missed = await load(...options, "--threshold", "mean<0.0001,p99<60000");
        expect(missed.code).toBe(3);
        expect(missed.stderr).toMatch(/--threshold: mean<0\.0001: mean is \d/);
        expect(missed.stderr).toMatch(/p99<60000: too few requests were answered to tell p99/);
        const wrong = await load(...options, "--threshold", "p98>5");
        expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("p99.9")]);
      },
    );
  });

  it("finds the highest concurrency of a range that meets a threshold, and what the next one misses", async () => {
    let inFlight = 0;
    await withEndpoint(
      (_request, response) => {
        inFlight++;
        const end = () => {
          inFlight--;
          response.end("fine");
        };
        if (inFlight > 3) setTimeout(end, 1500);
        else setImmediate(end);
      },
      async (url) => {
        const options = ["--url", url, "--count", "24", "--threshold", "max<1000"];
        const all = await load(...options, "--concurrency", "1:8", "--json", "--out", kept);
        const { schema, steps, highest, isEnd } = JSON.parse(all.stdout);
        // A busy machine makes the generator unfit, which no load survives.
        expect(all.code).toBe(highest === null ? 3 : 0);
        expect([schema, isEnd]).toEqual(["tandem/load-range@1", false]);
        expect(JSON.parse(readFileSync(join(kept, "load.json"), "utf8")).steps).toEqual(steps);
        const met = steps.filter((one: { missed: readonly string[] }) => one.missed.length === 0);
        expect(highest).toBe(met.at(-1)?.load ?? null);
        expect(highest ?? 0).toBeLessThan(4);
        const slow = steps.filter((one: { load: number }) => one.load > 3);
        expect(slow[0].missed.join()).toMatch(/max<1000: max is 1[5-9]|not to be judged by/);
        const wrong = await load(...options, "--concurrency", "8:1");
        expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("from:to")]);
        const both = await load(...options, "--rates", "1:8", "--clients", "1");
        expect([both.code, both.stderr]).toEqual([2, expect.stringContaining("give one of")]);
      },
    );
  });

  it("bisects a range, says at least at its end, and measures every load without a threshold", async () => {
    const sent = async (text: string, most: number, thresholds = ["p50<10"]) => {
      const loads: number[] = [];
      const found = await searched(rangeOf("rate", text), thresholds.map(thresholdOf), (load) => {
        loads.push(load);
        const latencyMs = load > most ? 11 : 9;
        return Promise.resolve({
          errors: [],
          verdict: "fit",
          throughputPerS: load,
          latencyMaxMs: 20,
          percentiles: [{ percentile: 50, latencyMs }],
        } as unknown as LoadMeasurement);
      });
      return { loads, text: searchText(found) };
    };
    const { loads, text } = await sent("10:100:10", 65);
    expect(loads).toEqual([50, 80, 60, 70]);
    expect(text).toMatch(
      /\nhighest rate that meets p50<10: 60\/s; at 70\/s: p50<10: p50 is 11\.00 ms$/,
    );
    expect((await sent("1..5..1", 9)).text).toMatch(/: at least 5\/s$/);
    expect((await sent("1:5:1", 0)).text).toMatch(/\nno load of the range meets p50<10; at 1\/s: /);
    expect((await sent("10:30:10", 0, [])).loads).toEqual([10, 20, 30]);
    await expect(sent("10:30:10", 20, ["p99<10"])).rejects.toThrow("too few requests at 20/s");
  });

  if (IS_LONG) {
    it("prints the command that repeats it", async () => {
      const options = [
        "--rate",
        "200",
        "--count",
        "20",
        "--content-type",
        "text/plain",
        "--warm-up",
      ];
      await withEndpoint(
        (_request, response) => void response.end("fine"),
        async (url) => {
          const commandOf = async (words: readonly string[]): Promise<string> =>
            JSON.parse((await load(...words, "--json")).stdout).command;
          const command = await commandOf(["--url", url, ...options]);
          const [node, , name, ...words] = command.split(" ");
          expect([node, name]).toEqual(["node", "load"]);
          expect(await commandOf(words)).toBe(command);
        },
      );
    });
  }

  if (IS_LONG) {
    it("tells no time that is left once it has sent more than it must", async () => {
      const least = ["--set", "workload.minQueries=10", "--set", "workload.minDurationS=1"];
      const { stderr } = await withEndpoint(
        (_request, response) => void response.end("fine"),
        (url) => load("--url", url, "--arrivals", "mlperf-single-stream", ...least),
      );
      expect(stderr).toMatch(/load: \d+\/10\n/);
      expect(stderr).not.toContain("left -");
    });
  }

  it("takes a scenario's workload, overridden by options", async () => {
    const scenario = { ...SCENARIO, workload: { arrivals: "closed", clients: 2, requests: 500 } };
    const { stdout } = await withEndpoint(
      (_request, response) => void response.end("fine"),
      (url) => withScenario(scenario, (file) => load(file, "--url", url, "--count", "30")),
    );
    expect(stdout).toMatch(/^30 requests: 30 completed\nanswers: 30 OK\n/);
    expect(stdout).toMatch(/p75 +\d+\.\d\d ms\n {2}max /);
    expect(stdout).toMatch(/\n(fit to be judged by|not to be judged by: .+)\n$/);
  });

  if (IS_LONG) {
    const rates = [
      { atS: 0, ratePerS: 0 },
      { atS: 1, ratePerS: 100 },
    ];
    it.each([
      [{ arrivals: "ramp", rates, durationS: 1 }, /load: \d+\/50 · left /],
      // The higher half of a swing of 2 s.
      [
        { arrivals: "diurnal", ratePerS: 50, amplitude: 1, periodS: 2, durationS: 1 },
        /load: \d+\/82 · left /,
      ],
    ])("expects of %j what lies under its rate", async (workload, shown) => {
      const scenario = { ...SCENARIO, workload };
      const { stderr } = await withEndpoint(
        (_request, response) => void response.end("fine"),
        (url) => withScenario(scenario, (file) => load(file, "--url", url)),
      );
      expect(stderr).toMatch(shown);
    });
  }

  it("ends with 4 when requests fail, and says how many and why", async () => {
    const { code, stdout, stderr } = await withEndpoint(
      (_request, response) => {
        response.statusCode = 500;
        response.end("out of order");
      },
      (url) => load("--url", url, "--arrivals", "burst", "--count", "5", "--threshold", "p50<9"),
    );
    expect(code).toBe(4);
    expect(stdout).toMatch(/answers: 5 HTTP 500/);
    expect(stderr).toMatch(/requests failed; the first: request \d: HTTP 500: out of order/);
    expect(stderr).toMatch(/--threshold: p50<9: too few requests were answered to tell p50/);
  });

  if (IS_LONG) {
    it("ends with 4 when a target stands still, and says for how long it waited", async () => {
      const { code, stdout, stderr } = await withEndpoint(
        () => undefined,
        (url) => load("--url", url, "--arrivals", "burst", "--count", "3", "--timeout", "200"),
      );
      expect(code).toBe(4);
      expect(stdout).toMatch(/^3 requests: 3 cancelled\nanswers: 3 no answer in time\n/);
      expect(stderr).toMatch(/requests failed; the first: request \d: no answer within 200 ms/);
    });
  }

  it.each([
    [["--rate", "5"], /`tandem load` needs --url/],
    [["--url", "http://127.0.0.1:9/x"], /nothing says how much load/],
    [["--url", "http://127.0.0.1:9/x", "--rate", "0"], /\n {2}--rate: expected a number above 0/],
    [
      ["--url", "http://127.0.0.1:9/x", "--rate", "1e9"],
      /\n {2}--rate: expected at most 100,000 a second, got 1000000000 \(.* several machines\)/,
    ],
    [
      ["--url", "http://127.0.0.1:9/x", "--rate", "5", "--count", "1e9"],
      /\n {2}--count: expected at most 10,000,000 requests a run, got 1,000,000,000 \(run it in/,
    ],
    [
      ["--url", "http://127.0.0.1:9/x", "--rate", "50", "--set", "workload.durationS=1e7"],
      /\n {2}--set workload.durationS: expected at most 10,000,000 requests/,
    ],
    [
      ["--url", "http://127.0.0.1:9/x", "--rate", "5", "--set", "workload.ratePerS=-1"],
      /\n {2}--set workload.ratePerS: expected a number above 0/,
    ],
    [
      ["--url", "http://127.0.0.1:9/x", "--arrivals", "burst", "--count", "2e6"],
      /\n {2}--count: expected at most 1,000,000 requests at once/,
    ],
    [
      ["--url", "http://127.0.0.1:9/x", "--rate", "5", "--arrivals", "closed"],
      /\n {2}--rate: does not go with --arrivals closed \(leave it out, .*takes --clients/,
    ],
    [["--url", "http://127.0.0.1:9/x", "--rate", "fast"], /--rate: expected a number/],
    [["--url", "http://127.0.0.1:9/x", "--arrivals", "poison"], /poisson/],
    [
      ["--url", "http://127.0.0.1:9/x", "--arrivals", "mlperf-server", "--rate", "5"],
      /latencyBound/,
    ],
  ])("%j is bad usage, with the way out", async (words, message) => {
    const { code, stdout, stderr } = await load(...words);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
  });
});
