/** The one connection of the page, for all its parts. */
import {
  createContext,
  type ReactNode,
  use,
  useEffect,
  useState,
  useSyncExternalStore,
} from "react";
import { Connection, type Sample, type Snapshot } from "./connection.ts";
import { useUrlState } from "./url-state.ts";

interface Held {
  readonly connection: Connection;
  readonly token: string;
  readonly setToken: (token: string) => void;
  readonly url: string;
  readonly setUrl: (url: string) => void;
}

const Context = createContext<Held | null>(null);

/** The page's own server is the one to measure, unless the address names another. */
export function ConnectionProvider({ children }: { readonly children: ReactNode }) {
  const [connection] = useState(() => new Connection());
  const [token, setToken] = useState("");
  const [given, setUrl] = useUrlState("server", "");
  const [own, setOwn] = useState("");
  useEffect(() => {
    void ownServer().then(setOwn);
    return () => connection.close();
  }, [connection]);
  const url = given === "" ? own : given;
  useEffect(() => connection.open(url, token === "" ? null : token), [connection, url, token]);
  return <Context value={{ connection, token, setToken, url, setUrl }}>{children}</Context>;
}

/** The page's own address where a gateway or `tandem web` serves it; "" for plain static files. */
async function ownServer(): Promise<string> {
  if (!location.protocol.startsWith("http")) return "";
  try {
    const base = new URL(".", location.href).href.replace(/\/$/, "");
    const answer = await fetch(`${base}/app.json`);
    const { kind, server } = (await answer.json()) as { kind: string; server: string | null };
    return kind === "gateway" || server !== null ? base : "";
  } catch {
    return "";
  }
}

export function useHeld(): Held {
  const held = use(Context);
  if (held === null) throw new Error("there is no ConnectionProvider");
  return held;
}

export function useConnection(): Snapshot {
  const { connection } = useHeld();
  return useSyncExternalStore(connection.subscribe, connection.snapshot);
}

export function useSamples(): readonly Sample[] {
  const { connection } = useHeld();
  return useSyncExternalStore(connection.subscribe, () => connection.samples);
}
