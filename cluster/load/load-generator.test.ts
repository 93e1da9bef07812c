/** The real generator, a process of its own, against real sockets. Counts and content, no times. */
import { describe, expect, it } from "vitest";
import { arrivalSource } from "../../core/arrivals/arrival-source.ts";
import { eventually } from "../deployment.test-support.ts";
import { drive, parsed, withEndpoint } from "./http-endpoint.test-support.ts";
import { loadReport, loadReportText } from "./load-report.ts";

const OK = "fine";

/** Answers at once, but from `fromMs` to `toMs` after the first request it answers nothing. */
function stalling(fromMs: number, toMs: number) {
  let firstAt: number | null = null;
  return (_request: unknown, response: { end(text: string): unknown }): void => {
    firstAt ??= Date.now();
    const now = Date.now() - firstAt;
    const waitMs = now >= fromMs && now < toMs ? toMs - now : 0;
    setTimeout(() => response.end(OK), waitMs);
  };
}

const slowerThan = (latencyUs: Float64Array, ms: number): number =>
  latencyUs.filter((us) => us > ms * 1000).length;

describe("a server that stalls for a second", () => {
  const workload = { arrivals: "deterministic", ratePerS: 100, durationS: 1.5 };

  it("is seen by every request that was due meanwhile", async () => {
    const { latencyUs, requests } = await withEndpoint(stalling(200, 1200), (url) =>
      drive(url, workload),
    );
    expect(requests).toBe(149);
    // Of the 100 that are due in the second, 90 wait for more than a tenth of it, 50 for half.
    expect(slowerThan(latencyUs, 100)).toBeGreaterThanOrEqual(85);
    expect(slowerThan(latencyUs, 500)).toBeGreaterThanOrEqual(45);
  });

  it("is seen so with one connection too, where requests wait for the stalled one", async () => {
    const { latencyUs } = await withEndpoint(stalling(200, 1200), (url) => {
      const one = {
        ...({
          kind: "http",
          endpoints: [{ url, headers: {}, bodies: [] }],
          method: "GET",
        } as const),
        ...{ connections: 1, access: { tls: false } },
      };
      return drive(url, workload, { target: one });
    });
    expect(slowerThan(latencyUs, 500)).toBeGreaterThanOrEqual(45);
  });

  it("is hidden by a client that waits for its answers: that is what closed loops do", async () => {
    const closed = { arrivals: "closed", clients: 2, thinkMs: 10, durationS: 1.5 };
    const { latencyUs } = await withEndpoint(stalling(200, 1200), (url) => drive(url, closed));
    // The two that were under way; a busy machine may add some, but not a stall's worth.
    expect(slowerThan(latencyUs, 500)).toBeLessThan(20);
  });
});

describe("what is answered", () => {
  it("is counted by status, and by what became of the request", async () => {
    let count = 0;
    const codes = [200, 503, 429, 500, 404, 504];
    const workload = { arrivals: "burst", requests: 60 };
    const result = await withEndpoint(
      (_request, response) => {
        response.statusCode = codes[count++ % codes.length];
        response.end("a reason");
      },
      (url) => drive(url, workload),
    );
    const { outcomes, statuses, requests } = loadReport(result, parsed(workload));
    expect(requests).toBe(60);
    expect(outcomes).toMatchObject({ completed: 10, refused: 20, failed: 20, cancelled: 10 });
    expect(statuses).toEqual({
      ...{ OK: 10, "HTTP 503": 10, "HTTP 429": 10, "HTTP 500": 10, "HTTP 404": 10 },
      "HTTP 504": 10,
    });
    expect(result.errors[0]).toMatch(/^request \d+: HTTP \d{3}: a reason$/);
  });

  it("is sent what was to be sent", async () => {
    const bodies: string[] = [];
    const workload = { arrivals: "closed", clients: 1, requests: 4 };
    await withEndpoint(
      async (request, response) => {
        bodies.push(`${request.method} ${request.url} ${request.headers.authorization}`);
        response.end(OK);
      },
      (url) =>
        drive(url, workload, {
          target: {
            kind: "http",
            endpoints: [
              { url: `${url}?x=1`, headers: {}, bodies: [Buffer.from("a"), Buffer.from("bc")] },
            ],
            method: "PUT",
            connections: 4,
            access: { tls: false, token: "secret" },
          },
        }),
    );
    expect(bodies).toEqual(new Array(4).fill("PUT /endpoint?x=1 Bearer secret"));
  });
});

describe("clients", () => {
  const client = { timeoutMs: 150, retries: 2, backoffMs: 20 };
  const workload = (more: object, requests = 20): object => ({
    ...{ arrivals: "deterministic", ratePerS: 50, requests },
    client: { ...client, ...more },
  });

  it("try again after an error, as often as they may", async () => {
    // One after another, so that which attempt succeeds is no matter of time.
    const patient = { arrivals: "closed", clients: 1, requests: 5 };
    const seen = new Map<string, number>();
    let count = 0;
    const result = await withEndpoint(
      (_request, response) => {
        // Every third attempt succeeds.
        response.statusCode = ++count % 3 === 0 ? 200 : 503;
        seen.set(String(response.statusCode), (seen.get(String(response.statusCode)) ?? 0) + 1);
        response.end();
      },
      (url) => drive(url, { ...patient, client: { ...client, timeoutMs: 20_000 } }),
    );
    const { outcomes, attemptsPerRequest, statuses } = loadReport(result, parsed(workload({})));
    expect(outcomes.completed).toBe(5);
    expect(attemptsPerRequest).toBe(3);
    expect(statuses).toEqual({ "HTTP 503": 10, OK: 5 });
    expect(seen.get("503")).toBe(10);
  });

  it("give up an attempt after their time, and the server sees that they have gone", async () => {
    let [come, gone] = [0, 0];
    const result = await withEndpoint(
      (_request, response) => {
        come++;
        response.on("close", () => gone++);
      },
      (url) => drive(url, workload({ retries: 1 }, 6)),
    );
    const { outcomes, statuses } = loadReport(result, parsed(workload({})));
    expect(outcomes.cancelled).toBe(6);
    expect(statuses).toEqual({ "no answer in time": 12 });
    // One whose time is over before it was sent never comes.
    expect(come).toBeGreaterThan(0);
    expect(await eventually(() => gone === come)).toBe(true);
  });

  it("wait for longer than timers count, if they are told to", async () => {
    const result = await withEndpoint(
      (_request, response) => void setTimeout(() => response.end(OK), 20),
      (url) => drive(url, workload({ timeoutMs: 3e9, retries: 0 }, 5)),
    );
    expect(loadReport(result, parsed(workload({}))).statuses).toEqual({ OK: 5 });
  });

  it("share a budget of retries", async () => {
    const retryBudget = { ratio: 0, burst: 3 };
    const result = await withEndpoint(
      (_request, response) => {
        response.statusCode = 500;
        response.end();
      },
      (url) => drive(url, workload({ retryBudget, timeoutMs: 20_000 })),
    );
    const { outcomes, statuses } = loadReport(result, parsed(workload({})));
    expect(outcomes.failed).toBe(20);
    expect(statuses["HTTP 500"]).toBe(23);
  });
});

describe("arrivals", () => {
  const traceUs = [0, 30_000, 31_000, 90_000, 200_000];
  const rates = [
    { atS: 0, ratePerS: 20 },
    { atS: 0.5, ratePerS: 200 },
  ];
  const kinds: readonly (readonly [string, object])[] = [
    ["ramp", { rates, durationS: 0.6 }],
    ["trace", { file: "t.csv", column: "t", scale: 2, repeat: 2 }],
  ];

  it.each(kinds)("of a %s are the simulator's, to the microsecond", async (arrivals, more) => {
    const workload = { arrivals, ...more };
    const result = await withEndpoint(
      (_request, response) => void response.end(OK),
      (url) => drive(url, workload, { traceUs }),
    );
    const source = arrivalSource(parsed(workload), "1/0", traceUs);
    expect(result.requests).toBeGreaterThan(8);
    for (let i = 0; i < result.requests; i++, source.advance()) {
      expect(result.intendedUs[i]).toBe(source.nextUs);
      expect(result.sentLateUs[i]).toBeGreaterThanOrEqual(0);
    }
    expect(source.nextUs).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("MLPerf's scenarios, by name", () => {
  const run = (workload: object) =>
    withEndpoint(
      (_request, response) => void setTimeout(() => response.end(OK), 2),
      (url) => drive(url, workload),
    );

  it("SingleStream sends one query after another until both minima are reached", async () => {
    const workload = { arrivals: "mlperf-single-stream", minQueries: 20, minDurationS: 0.5 };
    const result = await run(workload);
    expect(result.requests).toBeGreaterThanOrEqual(20);
    for (let i = 1; i < result.requests; i++) {
      expect(result.intendedUs[i]).toBe(Math.round(result.endedUs[i - 1]));
    }
    expect(result.endedUs.at(-1)).toBeGreaterThanOrEqual(0.5e6);
    // Beyond the least number, none was sent that the least time did not ask for.
    expect(result.intendedUs.filter((us, i) => i >= 20 && us >= 0.5e6)).toHaveLength(0);
    const { mlperf } = loadReport(result, parsed(workload));
    expect(mlperf.queryLatencyP90Ms).toBeGreaterThan(2);
    const { mlperfRules } = loadReport(result, parsed(workload));
    expect(mlperfRules?.problems.at(-1)).toMatch(/^it took .* s, of at least 600 s$/);
    expect(loadReportText(loadReport(result, parsed(workload)))).toMatch(
      /MLPerf's rules: .*not valid/,
    );
  });

  it("MultiStream sends its samples together, and the next once all are answered", async () => {
    const workload = {
      ...{ arrivals: "mlperf-multi-stream", samplesPerQuery: 4 },
      ...{ minQueries: 12, minDurationS: 0.01 },
    };
    const result = await run(workload);
    expect(result.requests).toBe(48);
    for (let i = 0; i < 48; i++) {
      expect(result.intendedUs[i]).toBe(result.intendedUs[i - (i % 4)]);
    }
    const { mlperf } = loadReport(result, parsed(workload));
    expect(Object.keys(mlperf)).toEqual(["queryLatencyP99Ms"]);
  });

  it("Server sends Poisson queries at the simulator's instants, and judges by its bound", async () => {
    const workload = {
      ...{ arrivals: "mlperf-server", ratePerS: 100, minQueries: 50, minDurationS: 0.2 },
      latencyBoundMs: 1e6,
    };
    const result = await run(workload);
    expect(result.requests).toBe(50);
    const source = arrivalSource(parsed(workload), "1/0", null);
    for (let i = 0; i < result.requests; i++, source.advance()) {
      expect(result.intendedUs[i]).toBe(source.nextUs);
    }
    expect(source.nextUs).toBe(Number.POSITIVE_INFINITY);
    expect(loadReport(result, parsed(workload)).mlperf.validQueriesPerS).toBe(100);
    const strict = parsed({ ...workload, latencyBoundMs: 0.001 });
    expect(loadReport(result, strict).mlperf.validQueriesPerS).toBe(0);
  });

  it("Offline sends all at once", async () => {
    const workload = { arrivals: "mlperf-offline", requests: 200 };
    const result = await run(workload);
    expect(new Set(result.intendedUs)).toEqual(new Set([0]));
    const report = loadReport(result, parsed(workload));
    expect(report.mlperf.samplesPerS).toBeGreaterThan(0);
    expect(loadReportText(report)).toMatch(/MLPerf: samplesPerS/);
  });
});
