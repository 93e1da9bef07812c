/** The server's address and token, and whether it answers. */
import { type FormEvent, useEffect, useState } from "react";
import { Button } from "react-aria-components";
import { connection, ownServer, useConnection } from "../shared/connection.ts";
import { TextEntry } from "../shared/entries.tsx";
import { useUrlState } from "../shared/url-state.ts";

/** The page's own server is the one to measure, unless the address names another. */
export function ServerBar() {
  const [url, setUrl] = useUrlState("server", "");
  const [token, setToken] = useState("");
  const { state, problem, client, server, wantsToken, deployed } = useConnection();
  const [address, setAddress] = useState(client.url);
  const [secret, setSecret] = useState("");
  useEffect(() => setAddress(client.url), [client]);
  useEffect(() => {
    void ownServer.then((own) => connection.open(url || own, token === "" ? null : token));
  }, [url, token]);
  const connect = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const text = address.trim();
    const asked = text === "" || /^https?:\/\//.test(text) ? text : `http://${text}`;
    // The page's own server needs no place in a link.
    setUrl(asked === (await ownServer) ? "" : asked);
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
