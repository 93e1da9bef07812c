/** State that lives in the address's fragment, so that a link shares it: `#tab=measure&n=50`. */
import { useSyncExternalStore } from "react";

const CHANGED = "tandem:url-state";

function parameters(): URLSearchParams {
  return new URLSearchParams(location.hash.slice(1));
}

/** Null where the address does not have it. */
export function readUrlState(key: string): string | null {
  return parameters().get(key);
}

/** Null removes it. The browser's history gets no entry; an address that has it already stays as it is. */
export function writeUrlState(key: string, value: string | null): void {
  const next = parameters();
  if (next.get(key) === value) return;
  if (value === null) next.delete(key);
  else next.set(key, value);
  const fragment = next.toString();
  history.replaceState(null, "", fragment === "" ? location.href.split("#")[0] : `#${fragment}`);
  dispatchEvent(new Event(CHANGED));
}

function subscribe(listener: () => void): () => void {
  addEventListener(CHANGED, listener);
  addEventListener("hashchange", listener);
  return () => {
    removeEventListener(CHANGED, listener);
    removeEventListener("hashchange", listener);
  };
}

/** Like `useState` of a text. The default is left out of the address. */
export function useUrlState(
  key: string,
  usual: string,
): readonly [value: string, set: (value: string) => void] {
  const value = useSyncExternalStore(subscribe, () => readUrlState(key) ?? usual);
  const set = (next: string): void => writeUrlState(key, next === usual ? null : next);
  return [value, set];
}
