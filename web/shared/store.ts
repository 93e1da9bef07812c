/**
 * State outside of React: snapshots that are replaced, never changed, and those who hear of them; and texts in the
 * fragment of the page's address, so that a link shares them: `#tab=measure&n=50`.
 */
import { useSyncExternalStore } from "react";

export class Store<State extends object> {
  #state: State;
  #frame = 0;
  readonly #listeners = new Set<() => void>();

  constructor(state: State) {
    this.#state = state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): State => this.#state;

  /** Listeners hear at once. */
  set(change: Partial<State>): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }

  /** Listeners hear of many changes at once, before the next frame. `latest`: a last change, made then. */
  setSoon(change: Partial<State>, latest = (): Partial<State> => ({})): void {
    this.#state = { ...this.#state, ...change };
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => this.set(latest()));
  }
}

export function useStore<State extends object>(store: Store<State>): State {
  return useSyncExternalStore(store.subscribe, store.snapshot);
}

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
