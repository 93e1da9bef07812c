/** The last runs in one table, laid over each other, and saved as CSV or JSON. */
import { useMemo, useState } from "react";
import { Button } from "react-aria-components";
import { saveFile } from "../shared/client.ts";
import { milliseconds } from "../shared/format.ts";
import { Head } from "../shared/parts.tsx";
import { LiveChart } from "../shared/plot.tsx";
import { useStore } from "../shared/store.ts";
import {
  CURVE_STEPS,
  clearRuns,
  csvOf,
  history,
  type Interval,
  type RunRecord,
} from "./history.ts";

/** Chosen for the overlay at first. */
const FIRST_SHOWN = 2;
const NUMERIC = ["Mean", "Median", "95th percentile", "Answers"];
const SHARES = Array.from({ length: CURVE_STEPS + 1 }, (_, i) => (100 * i) / CURVE_STEPS);

export function RunHistory() {
  const { runs } = useStore(history);
  const [picked, setPicked] = useState<ReadonlyMap<string, boolean>>(new Map());
  const isShown = (at: string, i: number) => picked.get(at) ?? i < FIRST_SHOWN;
  const shown = runs.filter(({ at, curveMs }, i) => curveMs.length > 0 && isShown(at, i));
  const key = shown.map(({ at }) => at).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the runs
  const series = useMemo(
    () => shown.map((run) => ({ name: nameOf(run), values: run.curveMs })),
    [key],
  );
  if (runs.length === 0) return null;
  return (
    <section className="card" aria-labelledby="runs">
      <h2 id="runs">Runs so far</h2>
      <p className="muted small">
        The last {runs.length} of this browser, newest first, with 95% intervals. Change the
        scheduler or the replicas, send the same again, and see the difference.
      </p>
      {series.length > 0 && (
        <LiveChart
          title="Response time within which a share of the answers came (%)"
          unit="ms"
          x={SHARES}
          series={series}
          isClock={false}
        />
      )}
      <div className="scroll tall">
        <table data-testid="runs">
          <Head
            columns={["Show", "Scheduler", ...NUMERIC, "Replicas", "Workload"]}
            numeric={NUMERIC}
          />
          <tbody>
            {runs.map((run, i) => (
              <RunRow
                key={run.at}
                run={run}
                isShown={isShown(run.at, i)}
                onShow={(on) => setPicked(new Map(picked).set(run.at, on))}
              />
            ))}
          </tbody>
        </table>
      </div>
      <Keeping runs={runs} />
    </section>
  );
}

interface RunRowProps {
  readonly run: RunRecord;
  readonly isShown: boolean;
  readonly onShow: (on: boolean) => void;
}

function RunRow({ run, isShown, onShow }: RunRowProps) {
  return (
    <tr>
      <td>
        <input
          type="checkbox"
          className="pick"
          aria-label={`Show ${nameOf(run)}`}
          checked={isShown}
          onChange={({ target }) => onShow(target.checked)}
        />
      </td>
      <th scope="row" className="wrap">
        {run.scheduler}
      </th>
      <IntervalCell interval={run.meanMs} />
      <IntervalCell interval={run.p50Ms} />
      <IntervalCell interval={run.p95Ms} />
      <td className="numeric">
        {run.answers} of {run.sent}
      </td>
      <td className="wrap">{run.replicas}</td>
      <td className="wrap">{workloadText(run)}</td>
    </tr>
  );
}

function Keeping({ runs }: { readonly runs: readonly RunRecord[] }) {
  const json = (): string => JSON.stringify(runs, null, 1);
  return (
    <div className="row">
      <Button
        className="button"
        onPress={() => saveFile("tandem-runs.csv", csvOf(runs), "text/csv")}
      >
        Save as CSV
      </Button>
      <Button
        className="button"
        onPress={() => saveFile("tandem-runs.json", json(), "application/json")}
      >
        Save as JSON
      </Button>
      <Button className="button" onPress={clearRuns}>
        Clear
      </Button>
    </div>
  );
}

function nameOf({ at, scheduler, replicas }: RunRecord): string {
  return `${new Date(at).toTimeString().slice(0, 8)} ${scheduler}, ${replicas}`;
}

/** "burst, 10 requests": the numbers of its arrivals. */
function workloadText({ workload: { arrivals, client: _, ...of } }: RunRecord): string {
  const names: Readonly<Record<string, string>> = {
    requests: "request",
    clients: "client",
    ratePerS: "/s",
    durationS: "s",
  };
  const numbers = Object.entries(of).flatMap(([name, value]) =>
    typeof value === "number" && name in names
      ? `${value} ${names[name]}${value === 1 || name.endsWith("S") ? "" : "s"}`
      : [],
  );
  return [arrivals, ...numbers].join(", ");
}

function IntervalCell({ interval }: { readonly interval: Interval | null }) {
  if (interval === null) return <td className="numeric">–</td>;
  const { value, low, high } = interval;
  return (
    <td className="numeric">
      {milliseconds(value)}
      {low !== null && high !== null && (
        <span className="muted small">
          <br />
          {milliseconds(low)} to {milliseconds(high)}
        </span>
      )}
    </td>
  );
}
