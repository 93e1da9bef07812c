/** Whether a load generator was fit to be judged by: was it on time, was its event loop free? */
import { OUTCOMES } from "../../core/dispatch/driver.ts";
import type { HealthSummary } from "../../core/results.ts";
import { selectQuantile } from "../../core/statistics/estimate.ts";
import type { LoadResult } from "./specification.ts";

/** An arrival is late beyond this, or beyond this share of the mean latency if that is more. */
const LATE_US = 1000;
const LATE_SHARE_OF_LATENCY = 0.05;
/** More late arrivals than this make a run unfit. */
const LATE_RATIO = 0.02;
/** Lateness adds to every latency; its mean may be this share of the mean latency, or this long. */
const MEAN_LATE_SHARE = 0.02;
const MEAN_LATE_US = 200;
const LOOP_DELAY_MS = 10;
/** Of clients that wait for answers, a generator busier than this sets the pace itself. */
const MAX_LOOP_BUSY = 0.9;
const LOOP_DELAY_SHARE_OF_LATENCY = 0.1;

/** `gatewayDelayP99Ms` is the event loop's delay in the gateway, if known. */
export function loadHealth(result: LoadResult, gatewayDelayP99Ms = 0): HealthSummary {
  const { sentLateUs, requests } = result;
  const meanLatencyUs = meanOf(result.latencyUs.filter((us) => !Number.isNaN(us)));
  const limitUs = Math.max(LATE_US, LATE_SHARE_OF_LATENCY * meanLatencyUs);
  const late = sentLateUs.filter((us) => us > limitUs).length;
  const lateArrivalRatio = requests === 0 ? 0 : late / requests;
  const meanLateUs = meanOf(sentLateUs);
  const eventLoopDelayP99Ms = Math.max(result.eventLoopDelayP99Ms, gatewayDelayP99Ms);
  const delayLimitMs = Math.max(
    LOOP_DELAY_MS,
    (LOOP_DELAY_SHARE_OF_LATENCY * meanLatencyUs) / 1000,
  );
  const reasons: string[] = [];
  if (lateArrivalRatio > LATE_RATIO) {
    const share = (lateArrivalRatio * 100).toFixed(1);
    reasons.push(`${share}% of arrivals were sent more than ${ms(limitUs)} ms late`);
  }
  if (meanLateUs > Math.max(MEAN_LATE_US, MEAN_LATE_SHARE * meanLatencyUs)) {
    reasons.push(
      `arrivals were sent ${ms(meanLateUs)} ms late on average, of ${ms(meanLatencyUs)} ms latency`,
    );
  }
  if (eventLoopDelayP99Ms > delayLimitMs) {
    reasons.push(
      `an event loop was up to ${eventLoopDelayP99Ms.toFixed(1)} ms behind (p99): the host was busy`,
    );
  }
  if (result.closed && result.loopBusyRatio > MAX_LOOP_BUSY) {
    const share = (100 * result.loopBusyRatio).toFixed(0);
    reasons.push(
      `the load generator was busy ${share}% of the time: it, not the server, may be the limit`,
    );
  }
  return {
    healthy: reasons.length === 0,
    lateArrivalRatio,
    latenessP99Ms: requests === 0 ? 0 : selectQuantile(sentLateUs.slice(), 0.99) / 1000,
    eventLoopDelayP99Ms,
    reasons,
  };
}

/** How many requests ended each way. */
export function outcomeCounts(result: LoadResult): Readonly<Record<string, number>> {
  return Object.fromEntries(
    OUTCOMES.map((outcome, i) => [outcome, result.outcome.filter((o) => o === i).length]),
  );
}

function meanOf(values: Float64Array): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function ms(us: number): string {
  return (us / 1000).toFixed(2);
}
