/** Loads beside those of `load-generator.test.ts`: stalled servers, long waits, budgets, MLPerf's other scenarios. */

import { describe, expect, it } from "vitest";
import { NO_ACCESS } from "../security/client-access.ts";
import { drive, driveQuick, parsed, retrying, withEndpoint } from "./http-endpoint.test-support.ts";
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

  it("delays every request that was due meanwhile", async () => {
    const { latencyUs, requests } = await withEndpoint(stalling(200, 1200), (url) =>
      drive(url, workload),
    );
    expect(requests).toBe(149);
    // 100 are due in the second: 90 wait for more than a tenth of it, 50 for half.
    expect(slowerThan(latencyUs, 100)).toBeGreaterThanOrEqual(85);
    expect(slowerThan(latencyUs, 500)).toBeGreaterThanOrEqual(45);
  });

  it("delays them on a single connection too", async () => {
    const { latencyUs } = await withEndpoint(stalling(200, 1200), (url) => {
      const one = {
        ...({
          kind: "http",
          endpoints: [{ url, headers: {}, bodies: [] }],
          method: "GET",
        } as const),
        connections: 1,
        access: NO_ACCESS,
      };
      return drive(url, workload, { target: one });
    });
    expect(slowerThan(latencyUs, 500)).toBeGreaterThanOrEqual(45);
  });

  it("is hidden in a closed loop, whose clients wait for answers", async () => {
    const closed = { arrivals: "closed", clients: 2, thinkMs: 10, durationS: 1.5 };
    const { latencyUs } = await withEndpoint(stalling(200, 1200), (url) => drive(url, closed));
    // The two that were under way; a busy machine may add some, but not a stall's worth.
    expect(slowerThan(latencyUs, 500)).toBeLessThan(20);
  });
});

describe("clients", () => {
  it("may wait longer than the maximum of timers", async () => {
    const result = await withEndpoint(
      (_request, response) => void setTimeout(() => response.end(OK), 20),
      (url) => drive(url, retrying({ timeoutMs: 3e9, retries: 0 }, 5)),
    );
    expect(loadReport(result, parsed(retrying({}))).statuses).toEqual({ OK: 5 });
  });

  it("share a budget of retries", async () => {
    const retryBudget = { ratio: 0, burst: 3 };
    const result = await withEndpoint(
      (_request, response) => {
        response.statusCode = 500;
        response.end();
      },
      (url) => drive(url, retrying({ retryBudget, timeoutMs: 20_000 })),
    );
    const { outcomes, statuses } = loadReport(result, parsed(retrying({})));
    expect(outcomes.failed).toBe(20);
    expect(statuses["HTTP 500"]).toBe(23);
  });
});

describe("MLPerf's scenarios, by name", () => {
  it("SingleStream sends one query after another until both minima are reached", async () => {
    const workload = { arrivals: "mlperf-single-stream", minQueries: 20, minDurationS: 0.5 };
    const result = await driveQuick(workload);
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
      arrivals: "mlperf-multi-stream",
      samplesPerQuery: 4,
      minQueries: 12,
      minDurationS: 0.01,
    };
    const result = await driveQuick(workload);
    expect(result.requests).toBe(48);
    for (let i = 0; i < 48; i++) {
      expect(result.intendedUs[i]).toBe(result.intendedUs[i - (i % 4)]);
    }
    const { mlperf } = loadReport(result, parsed(workload));
    expect(Object.keys(mlperf)).toEqual(["queryLatencyP99Ms"]);
  });

  it("Offline sends all at once", async () => {
    const workload = { arrivals: "mlperf-offline", requests: 200 };
    const result = await driveQuick(workload);
    expect(new Set(result.intendedUs)).toEqual(new Set([0]));
    const report = loadReport(result, parsed(workload));
    expect(report.mlperf.samplesPerS).toBeGreaterThan(0);
    expect(loadReportText(report)).toMatch(/MLPerf: samplesPerS/);
  });
});
