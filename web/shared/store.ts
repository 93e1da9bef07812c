/** State outside of React: a snapshot that is replaced, never changed, and those who hear of it. */
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
