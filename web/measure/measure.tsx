/** The tab Measure: hardware, scheduler, requests and their results, after the 2020 report's figure 4.4. */
import { useMemo, useState } from "react";
import type { GatewayStatus } from "../../library/browser.ts";
import { queueOf, replicasText, tasksOf, utilisationOf } from "../shared/client.ts";
import { type Sample, useConnection } from "../shared/connection.ts";
import { LiveChart, type Mark, type Series } from "../shared/plot.tsx";
import { useStore } from "../shared/store.ts";
import { Hardware } from "./hardware.tsx";
import "./measure.css";
import { Measuring } from "./measuring.ts";
import { Results } from "./results.tsx";
import { RunHistory } from "./run-history.tsx";
import { Scheduler } from "./scheduler.tsx";
import { Send } from "./send.tsx";
import { TestCases } from "./test-cases.tsx";

/** One for the page: a measurement goes on while another tab is open. */
const measuring = new Measuring();

export function Measure() {
  const { server } = useConnection();
  const measured = useStore(measuring.store);
  const [cases] = useState(() => new Measuring());
  if (server === null) {
    return (
      <p className="card">
        No server yet. <code>tandem cluster up SCENARIO</code> starts one, which serves this page
        too; <code>tandem web --url URL</code> serves it before any server of the Open Inference
        Protocol.
      </p>
    );
  }
  return (
    <div className="measure">
      <div className="column">
        <Send measuring={measuring} measured={measured} />
        <Hardware />
        <Scheduler />
      </div>
      <div className="column wide">
        <Results measured={measured} />
        <RunHistory />
        <Live />
        <TestCases measuring={cases} />
      </div>
    </div>
  );
}

/** The server's last minutes: latency, throughput, utilisation and queues. */
function Live() {
  const { deployed, status, samples } = useConnection();
  const moments = useMemo(() => withGaps(samples), [samples]);
  const x = useMemo(() => moments.map(({ atS }) => atS), [moments]);
  const marks = useMemo(() => changesOf(samples), [samples]);
  if (deployed === null || status === null) return null;
  const statuses = moments.map((moment) => moment.status);
  const tasks = tasksOf(status);
  const pipelines = status.pipelines.map(({ name }) => name);
  const over = (
    names: readonly string[],
    figureOf: (status: GatewayStatus, name: string) => number | null,
  ) =>
    names.map((name) => ({
      name,
      values: statuses.map((one) => (one === null ? null : figureOf(one, name))),
    }));
  const goals = Object.values(deployed.document.pipelines).flatMap(
    ({ slo }) => slo?.latencyMs ?? [],
  );
  return (
    <section className="card" aria-labelledby="live">
      <h2 id="live">Live</h2>
      <p className="muted small">
        By the server, over its last {status.windowS} s; a dashed line is the latency SLO, an
        upright one a change of scheduler or replicas{marks.length > 0 && `: ${markTexts(marks)}`}.
      </p>
      <div className="charts">
        <LiveChart
          title="Latency"
          unit="ms"
          x={x}
          marks={marks}
          goal={goals.length === 1 ? goals[0] : undefined}
          series={pipelines.flatMap((name) => latencies(statuses, name, pipelines.length > 1))}
        />
        <LiveChart
          title="Throughput"
          unit="answers a second"
          x={x}
          marks={marks}
          series={over(pipelines, (one, name) => pipelineOf(one, name)?.completedPerS ?? null)}
        />
        <LiveChart
          title="Utilisation"
          unit="%"
          x={x}
          marks={marks}
          yMost={100}
          series={over(tasks, (one, name) => percentOf(utilisationOf(one, name)))}
        />
        <LiveChart
          title="Queue length"
          unit="jobs"
          x={x}
          marks={marks}
          yMost={4}
          series={over(tasks, queueOf)}
        />
      </div>
    </section>
  );
}

/** Samples come once a second: after so long without one the server or the page was away. */
const OUTAGE_S = 4;

/** With a moment of no status in each outage, which charts draw as a gap. */
export function withGaps(
  samples: readonly Sample[],
): readonly { readonly atS: number; readonly status: GatewayStatus | null }[] {
  return samples.flatMap((sample, i) => {
    const before = samples[i - 1]?.atS ?? sample.atS;
    const gap = { atS: (before + sample.atS) / 2, status: null };
    return sample.atS - before > OUTAGE_S ? [gap, sample] : [sample];
  });
}

/** Moments at which another scheduler or other replicas were first seen. */
export function changesOf(samples: readonly Sample[]): readonly Mark[] {
  return samples.slice(1).flatMap(({ atS, status }, i) => {
    const before = samples[i].status;
    const [old, now] = [before, status].map(replicasText);
    const scheduler = before.scheduler === status.scheduler ? "" : status.scheduler;
    const name = [scheduler, old === now ? "" : now].filter((text) => text !== "").join(", ");
    return name === "" ? [] : [{ x: atS, name }];
  });
}

const MOST_TEXTS = 4;

function markTexts(marks: readonly Mark[]): string {
  return marks
    .slice(-MOST_TEXTS)
    .map(({ x, name }) => `${new Date(x * 1000).toTimeString().slice(0, 8)} ${name}`)
    .join("; ");
}

function latencies(
  statuses: readonly (GatewayStatus | null)[],
  name: string,
  isNamed: boolean,
): Series[] {
  const prefix = isNamed ? `${name} ` : "";
  const all = statuses.map((one) => (one === null ? undefined : pipelineOf(one, name)));
  return [
    { name: `${prefix}p50`, values: all.map((one) => one?.latencyP50Ms ?? null) },
    { name: `${prefix}p99`, values: all.map((one) => one?.latencyP99Ms ?? null) },
  ];
}

function pipelineOf(status: GatewayStatus, name: string) {
  return status.pipelines.find((pipeline) => pipeline.name === name);
}

function percentOf(ratio: number | null): number | null {
  return ratio === null ? null : 100 * ratio;
}
