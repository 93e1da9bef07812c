/** The server's address and token, and whether it answers. */
import { type FormEvent, useEffect, useState } from "react";
import { Button } from "react-aria-components";
import { TextEntry } from "../shared/entries.tsx";
import { useConnection, useHeld } from "../shared/use-connection.tsx";

export function ServerBar() {
  const { url, setUrl, token, setToken } = useHeld();
  const { state, problem, server, wantsToken, deployed } = useConnection();
  const [address, setAddress] = useState(url);
  const [secret, setSecret] = useState(token);
  useEffect(() => setAddress(url), [url]);
  const connect = (event: FormEvent): void => {
    event.preventDefault();
    const text = address.trim();
    setUrl(text === "" || /^https?:\/\//.test(text) ? text : `http://${text}`);
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
        {wantsToken && <strong> · it asks for a token</strong>}
        {problem !== null && <span className="bad"> · {problem}</span>}
      </p>
    </form>
  );
}

function stateText(state: string, name = "the server"): string {
  if (state === "connected") return `Connected to ${name}`;
  if (state === "lost") return `Lost ${name}; trying again`;
  return state === "connecting" ? "Connecting …" : "Give a server's address";
}
