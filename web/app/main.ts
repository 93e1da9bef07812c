/**
 * Where the page starts: its own code and that of the tab in its address load side by side. The other tabs
 * load when they open, or the pointer comes near them.
 */
import { simulatorThread } from "../what-if/thread.ts";
import type { PageTab } from "./app.tsx";
import "../shared/colours.css";
import "./style.css";
import "../shared/controls.css";

const TABS: readonly PageTab[] = [
  {
    id: "measure",
    title: "Measure",
    load: async () => ({ default: (await import("../measure/measure.tsx")).Measure }),
  },
  {
    id: "what-if",
    title: "What if",
    load: async () => {
      simulatorThread();
      return { default: (await import("../what-if/what-if-tab.tsx")).WhatIfTab };
    },
  },
  {
    id: "pipeline",
    title: "Pipeline",
    load: async () => ({ default: (await import("../pipeline/pipeline.tsx")).Pipeline }),
  },
];

const [, asked = "measure"] = /\btab=([\w-]+)/.exec(location.hash) ?? [];
void TABS.find(({ id }) => id === asked)?.load();
void import("./app.tsx").then(({ showPage }) => showPage(TABS));
