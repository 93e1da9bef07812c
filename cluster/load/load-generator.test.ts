/** The real generator, a process of its own, against real sockets. Counts and content, no times. */
import { describe, expect, it } from "vitest";
import { IS_LONG } from "../../checks/support/test-form.test-support.ts";
import { arrivalSource } from "../../engine/arrivals/arrival-source.ts";
import { eventually } from "../deployment.test-support.ts";
import { drive, driveQuick, parsed, retrying, withEndpoint } from "./http-endpoint.test-support.ts";
import { loadReport } from "./load-report.ts";

const OK = "fine";

describe("an answer", () => {
  it("is counted by status, and by the outcome of its request", async () => {
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
      OK: 10,
      "HTTP 503": 10,
      "HTTP 429": 10,
      "HTTP 500": 10,
      "HTTP 404": 10,
      "HTTP 504": 10,
    });
    expect(result.errors[0]).toMatch(/^request \d+: HTTP \d{3}: a reason$/);
  });

  it("follows a request with the specified method, headers and body", async () => {
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
            access: { tls: null, token: "secret" },
          },
        }),
    );
    expect(bodies).toEqual(new Array(4).fill("PUT /endpoint?x=1 Bearer secret"));
  });
});

describe("clients", () => {
  it("retry after an error, up to their limit", async () => {
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
      (url) => drive(url, { ...patient, client: { timeoutMs: 20_000, retries: 2, backoffMs: 20 } }),
    );
    const { outcomes, attemptsPerRequest, statuses } = loadReport(result, parsed(retrying({})));
    expect(outcomes.completed).toBe(5);
    expect(attemptsPerRequest).toBe(3);
    expect(statuses).toEqual({ "HTTP 503": 10, OK: 5 });
    expect(seen.get("503")).toBe(10);
  });

  it("give up an attempt after their timeout, and close its connection", async () => {
    let [come, gone] = [0, 0];
    const result = await withEndpoint(
      (_request, response) => {
        come++;
        response.on("close", () => gone++);
      },
      (url) => drive(url, retrying({ retries: 1 }, 6)),
    );
    const { outcomes, statuses } = loadReport(result, parsed(retrying({})));
    expect(outcomes.cancelled).toBe(6);
    expect(statuses).toEqual({ "no answer in time": 12 });
    // One whose time is over before it was sent never comes.
    expect(come).toBeGreaterThan(0);
    expect(await eventually(() => gone === come)).toBe(true);
  });
});

describe("arrivals", () => {
  const traceUs = [0, 30_000, 31_000, 90_000, 200_000];
  const rates = [
    { atS: 0, ratePerS: 20 },
    { atS: 0.5, ratePerS: 200 },
  ];
  const kinds: readonly (readonly [string, object])[] = [
    ...(IS_LONG ? [["ramp", { rates, durationS: 0.6 }] as const] : []),
    ["trace", { file: "t.csv", column: "t", scale: 2, repeat: 2 }],
  ];

  it.each(kinds)("of a %s equal the simulator's, to the microsecond", async (arrivals, more) => {
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
  it("Server sends Poisson queries at the simulator's instants, and judges by its bound", async () => {
    const workload = {
      arrivals: "mlperf-server",
      ratePerS: 100,
      minQueries: 50,
      minDurationS: 0.2,
      latencyBoundMs: 1e6,
    };
    const result = await driveQuick(workload);
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
});
