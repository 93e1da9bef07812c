/** The tab Measure: hardware, scheduler, requests and their results, after the 2020 report's figure 4.4. */
import { useState } from "react";
import { useConnection } from "../shared/connection.ts";
import { useStore } from "../shared/store.ts";
import { Hardware } from "./hardware.tsx";
import "./measure.css";
import { Live } from "./live.tsx";
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
