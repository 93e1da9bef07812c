/** The tab Pipeline: the deployment's, live, or a simulated run that is played. */
import { lazy, Suspense } from "react";
import { useConnection } from "../shared/connection.ts";
import { SelectEntry } from "../shared/entries.tsx";
import { useUrlState } from "../shared/store.ts";
import { LivePipeline } from "./live-pipeline.tsx";

/** Brings the simulator along. */
const PlayedPipeline = lazy(async () => ({
  default: (await import("./played-pipeline.tsx")).PlayedPipeline,
}));

const VIEWS = [
  { id: "live", name: "The deployment, live" },
  { id: "run", name: "A simulated run, step by step" },
];

export function Pipeline() {
  const { status } = useConnection();
  const [view, setView] = useUrlState("view", "live");
  return (
    <div className="column">
      <div className="card row">
        <SelectEntry label="Show" value={view} options={VIEWS} onChange={setView} />
        {view === "live" && status === null && (
          <span className="muted">A simulated run needs no server.</span>
        )}
      </div>
      {view === "live" ? (
        <LivePipeline />
      ) : (
        <Suspense fallback={<p role="status">Loading …</p>}>
          <PlayedPipeline />
        </Suspense>
      )}
    </div>
  );
}
