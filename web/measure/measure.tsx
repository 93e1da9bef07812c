/** The tab Measure: hardware, scheduler, requests and their results, after the 2020 report's figure 4.4. */
import { useMemo, useState } from "react";
import type { GatewayStatus } from "../../library/browser.ts";
import { queueOf, tasksOf, utilisationOf } from "../shared/client.ts";
import { useConnection } from "../shared/connection.ts";
import { LiveChart, type Series } from "../shared/plot.tsx";
import { useStore } from "../shared/store.ts";
import { Hardware } from "./hardware.tsx";
import "./measure.css";
import { Measuring } from "./measuring.ts";
import { Results } from "./results.tsx";
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
        <Live />
        <TestCases measuring={cases} />
      </div>
    </div>
  );
}

/** The server's last minutes: latency, throughput, utilisation and queues. */
function Live() {
  const { deployed, status, samples } = useConnection();
  const x = useMemo(() => samples.map(({ atS }) => atS), [samples]);
  if (deployed === null || status === null) return null;
  const statuses = samples.map((sample) => sample.status);
  const tasks = tasksOf(status);
  const pipelines = status.pipelines.map(({ name }) => name);
  const over = (
    names: readonly string[],
    figureOf: (status: GatewayStatus, name: string) => number | null,
  ) => names.map((name) => ({ name, values: statuses.map((one) => figureOf(one, name)) }));
  const goals = Object.values(deployed.document.pipelines).flatMap(
    ({ slo }) => slo?.latencyMs ?? [],
  );
  return (
    <section className="card" aria-labelledby="live">
      <h2 id="live">Live</h2>
      <p className="muted small">
        By the server, over its last {status.windowS} s; a dashed line is the latency goal.
      </p>
      <div className="charts">
        <LiveChart
          title="Latency"
          unit="ms"
          x={x}
          goal={goals.length === 1 ? goals[0] : undefined}
          series={pipelines.flatMap((name) => latencies(statuses, name, pipelines.length > 1))}
        />
        <LiveChart
          title="Throughput"
          unit="answers a second"
          x={x}
          series={over(pipelines, (one, name) => pipelineOf(one, name)?.completedPerS ?? null)}
        />
        <LiveChart
          title="Utilisation"
          unit="%"
          x={x}
          yMost={100}
          series={over(tasks, (one, name) => percentOf(utilisationOf(one, name)))}
        />
        <LiveChart title="Queue length" unit="jobs" x={x} yMost={4} series={over(tasks, queueOf)} />
      </div>
    </section>
  );
}

function latencies(statuses: readonly GatewayStatus[], name: string, isNamed: boolean): Series[] {
  const prefix = isNamed ? `${name} ` : "";
  const all = statuses.map((one) => pipelineOf(one, name));
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
