/** The server's last minutes: latency, throughput, utilisation and queues. */
import { useMemo } from "react";
import type { GatewayStatus } from "../../library/browser.ts";
import { queueOf, tasksOf, utilisationOf } from "../shared/api.ts";
import { useConnection } from "../shared/connection.ts";
import { LiveChart, type Series } from "../shared/live-chart.tsx";

export function Live() {
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
