/** The page: a header with the server, and one tab for each question. */
import { lazy, Suspense } from "react";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { createRoot } from "react-dom/client";
import { useUrlState } from "../shared/url-state.ts";
import { ServerBar } from "./server-bar.tsx";
import { LOADERS } from "./tabs.ts";
import { applyTheme, ThemeChoice } from "./theme.tsx";

const TABS = [
  { id: "measure", title: "Measure", Content: lazy(LOADERS.measure) },
  { id: "what-if", title: "What if", Content: lazy(LOADERS["what-if"]) },
  { id: "pipeline", title: "Pipeline", Content: lazy(LOADERS.pipeline) },
] as const;

function App() {
  const [tab, setTab] = useUrlState("tab", TABS[0].id);
  const selected = TABS.some(({ id }) => id === tab) ? tab : TABS[0].id;
  return (
    <Tabs selectedKey={selected} onSelectionChange={(key) => setTab(String(key))}>
      <header>
        <h1>Tandem</h1>
        <ServerBar />
        <ThemeChoice />
        <TabList aria-label="What to do" className="tabs" items={TABS}>
          {({ id, title }) => (
            <Tab id={id} className="tab" onHoverStart={() => void LOADERS[id]()}>
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
  );
}

applyTheme();
const place = document.querySelector("#app") as HTMLElement;
createRoot(place, {
  onUncaughtError: (error) => {
    place.textContent = `The page failed: ${String(error)}. Reload it; report it if it fails again.`;
    console.error(error);
  },
}).render(<App />);
