/** The page: a header with the server, and one tab for each question. */
import { lazy, Suspense } from "react";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { useUrlState } from "../shared/url-state.ts";
import { ConnectionProvider } from "../shared/use-connection.tsx";
import { ServerBar } from "./server-bar.tsx";
import { ThemeChoice } from "./theme.tsx";

const Measure = lazy(async () => ({ default: (await import("../measure/measure.tsx")).Measure }));
const WhatIf = lazy(async () => ({
  default: (await import("../what-if/what-if-tab.tsx")).WhatIfTab,
}));
const Pipeline = lazy(async () => ({
  default: (await import("../pipeline/pipeline.tsx")).Pipeline,
}));

/** Each tab's code loads when the tab opens. */
const TABS = [
  { id: "measure", title: "Measure", Content: Measure },
  { id: "what-if", title: "What if", Content: WhatIf },
  { id: "pipeline", title: "Pipeline", Content: Pipeline },
] as const;

export function App() {
  const [tab, setTab] = useUrlState("tab", TABS[0].id);
  const selected = TABS.some(({ id }) => id === tab) ? tab : TABS[0].id;
  return (
    <ConnectionProvider>
      <Tabs selectedKey={selected} onSelectionChange={(key) => setTab(String(key))}>
        <header>
          <h1>Tandem</h1>
          <ServerBar />
          <ThemeChoice />
          <TabList aria-label="What to do" className="tabs" items={TABS}>
            {({ id, title }) => (
              <Tab id={id} className="tab">
                {title}
              </Tab>
            )}
          </TabList>
        </header>
        <main>
          {TABS.map(({ id, Content }) => (
            <TabPanel id={id} key={id} className="panel">
              <Suspense fallback={<p role="status">Loading …</p>}>
                <Content />
              </Suspense>
            </TabPanel>
          ))}
        </main>
      </Tabs>
    </ConnectionProvider>
  );
}
