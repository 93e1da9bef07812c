/** The page: a header with the server, and one tab for each question. */
import { lazy, Suspense } from "react";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { useUrlState } from "../shared/url-state.ts";
import { ThemeChoice } from "./theme.tsx";

const Measure = lazy(async () => ({ default: (await import("../measure/measure.tsx")).Measure }));
const Pipeline = lazy(async () => ({
  default: (await import("../pipeline/pipeline.tsx")).Pipeline,
}));

/** Each tab's code loads when the tab opens. */
const TABS = [
  { id: "measure", title: "Measure", Content: Measure },
  { id: "pipeline", title: "Pipeline", Content: Pipeline },
] as const;

export function App() {
  const [tab, setTab] = useUrlState("tab", TABS[0].id);
  const selected = TABS.some(({ id }) => id === tab) ? tab : TABS[0].id;
  return (
    <>
      <header>
        <h1>Tandem</h1>
        <ThemeChoice />
      </header>
      <Tabs selectedKey={selected} onSelectionChange={(key) => setTab(String(key))}>
        <TabList aria-label="What to do" className="tabs" items={TABS}>
          {({ id, title }) => (
            <Tab id={id} className="tab">
              {title}
            </Tab>
          )}
        </TabList>
        {TABS.map(({ id, Content }) => (
          <TabPanel id={id} key={id} className="panel">
            <Suspense fallback={<p role="status">Loading …</p>}>
              <main>
                <Content />
              </main>
            </Suspense>
          </TabPanel>
        ))}
      </Tabs>
    </>
  );
}
