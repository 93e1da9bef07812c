/** The page: a header with the server, and one tab for each question. */
import { type ComponentType, type FormEvent, lazy, Suspense, useEffect, useState } from "react";
import { Button, Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { createRoot } from "react-dom/client";
import { connection, ownServer, useConnection } from "../shared/connection.ts";
import { SelectEntry, TextEntry } from "../shared/parts.tsx";
import { useUrlState } from "../shared/store.ts";

/** The page's documentation, as the build copies it. */
const GUIDE = new URL("../../docs/web.md", import.meta.url).href;

export interface PageTab {
  /** Names the tab in the page's address. */
  readonly id: string;
  readonly title: string;
  readonly load: () => Promise<{ readonly default: ComponentType }>;
}

/** Draws the page. */
export function showPage(tabs: readonly PageTab[]): void {
  applyTheme();
  // The answer is there when the page is.
  void ownServer();
  const place = document.querySelector("#app") as HTMLElement;
  createRoot(place, {
    onUncaughtError: (error) => {
      place.textContent = `The page failed: ${String(error)}. Reload it; report it if it fails again.`;
      console.error(error);
    },
  }).render(<App tabs={tabs.map((tab) => ({ ...tab, Content: lazy(tab.load) }))} />);
}

interface AppProps {
  readonly tabs: readonly (PageTab & { readonly Content: ComponentType })[];
}

function App({ tabs }: AppProps) {
  const [tab, setTab] = useUrlState("tab", tabs[0].id);
  const selected = tabs.some(({ id }) => id === tab) ? tab : tabs[0].id;
  return (
    <Tabs selectedKey={selected} onSelectionChange={(key) => setTab(String(key))}>
      <header>
        <h1>Tandem</h1>
        <p className="purpose">
          Measure an inference cluster, change its scheduler and replicas while it serves, and
          compare it with the simulator's prediction. <a href={GUIDE}>How to use this page</a>
        </p>
        <ServerBar />
        <ThemeChoice />
        <TabList aria-label="What to do" className="tabs" items={tabs}>
          {({ id, title, load }) => (
            <Tab id={id} className="tab" onHoverStart={() => void load()}>
              {title}
            </Tab>
          )}
        </TabList>
      </header>
      <main>
        {tabs.map(({ id, Content }) => (
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

/** The page's own server is the one to measure, unless the address names another. */
function ServerBar() {
  const [url, setUrl] = useUrlState("server", "");
  const [token, setToken] = useState("");
  const { state, problem, client, server, wantsToken, deployed } = useConnection();
  const [address, setAddress] = useState(client.url);
  const [secret, setSecret] = useState("");
  useEffect(() => setAddress(client.url), [client]);
  useEffect(() => {
    void ownServer().then((own) => connection.open(url || own, token === "" ? null : token));
  }, [url, token]);
  const connect = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const text = address.trim();
    const asked = text === "" || /^https?:\/\//.test(text) ? text : `http://${text}`;
    // The page's own server needs no place in a link.
    setUrl(asked === (await ownServer()) ? "" : asked);
    setToken(secret.trim());
  };
  return (
    <form className="server" onSubmit={connect} aria-label="Server">
      <TextEntry label="Server" value={address} onChange={setAddress} inputMode="url" />
      <TextEntry label="Token" value={secret} onChange={setSecret} type="password" />
      <Button type="submit" className="button">
        Connect
      </Button>
      <p role="status" className="server-state">
        <span className={`dot ${state}`} aria-hidden="true" />
        {stateText(state, server?.name)}
        {state === "connected" && deployed === null && !wantsToken && " · no control of it"}
        {wantsToken && (
          <strong> · {token === "" ? "it asks for a token" : "it does not take this token"}</strong>
        )}
        {problem !== null && <span className="bad"> · {problem}</span>}
      </p>
    </form>
  );
}

function stateText(state: string, name = "the server"): string {
  if (state === "connected") return `Connected to ${name}`;
  if (state === "lost") return `Lost ${name}; trying again`;
  return state === "idle" ? "Give a server's address" : "Connecting …";
}

/** Light, dark, or as the system says; kept in this browser. */
const THEME_KEY = "tandem-theme";
const THEMES = [
  { id: "system", name: "System" },
  { id: "light", name: "Light" },
  { id: "dark", name: "Dark" },
];

const keptTheme = (): string => localStorage.getItem(THEME_KEY) ?? "system";

function applyTheme(): void {
  document.documentElement.dataset.theme = keptTheme();
}

function ThemeChoice() {
  const [theme, setTheme] = useState(keptTheme);
  const choose = (next: string): void => {
    localStorage.setItem(THEME_KEY, next);
    setTheme(next);
    applyTheme();
  };
  return (
    <div className="theme">
      <SelectEntry label="Colours" value={theme} options={THEMES} onChange={choose} />
    </div>
  );
}
