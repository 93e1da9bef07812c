/** The page's state as a short text, for addresses: a link shows what its sender saw. */
import type { Choices } from "./choices.ts";

export const QUANTILES = [
  { id: "latencyP50Ms", name: "p50" },
  { id: "latencyP95Ms", name: "p95" },
  { id: "latencyP99Ms", name: "p99" },
] as const;

export type Quantile = (typeof QUANTILES)[number]["id"];

export interface WhatIfState {
  readonly choices: Choices;
  /** Configurations to compare with. */
  readonly pins: readonly Choices[];
  /** The load that figures are read at; null: the scenario's own. */
  readonly load: number | null;
  /** The latency that configurations are compared by. */
  readonly quantile: Quantile;
  /** Requests of each run; null: the scenario's own extent. */
  readonly requests: number | null;
}

/** With the tenth that is left out, so that 5,000 count. */
export const FEW_REQUESTS = 5600;
export const MOST_PINS = 4;

export const FIRST_STATE: WhatIfState = {
  choices: {},
  pins: [],
  load: null,
  quantile: "latencyP99Ms",
  requests: FEW_REQUESTS,
};

/** Only what differs from the first state. */
export function stateText(state: WhatIfState): string {
  const changed = Object.entries(state).filter(
    ([key, value]) =>
      JSON.stringify(value) !== JSON.stringify(FIRST_STATE[key as keyof WhatIfState]),
  );
  if (changed.length === 0) return "";
  const bytes = new TextEncoder().encode(JSON.stringify(Object.fromEntries(changed)));
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The first state where a text is not one of these. The simulator checks the choices. */
export function stateOf(text: string): WhatIfState {
  try {
    const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(plain, (character) => character.charCodeAt(0));
    const given = JSON.parse(new TextDecoder().decode(bytes)) as Partial<WhatIfState>;
    const state = { ...FIRST_STATE, ...given };
    const isKnown = QUANTILES.some(({ id }) => id === state.quantile);
    if (!isKnown || typeof state.choices !== "object" || !Array.isArray(state.pins)) {
      return FIRST_STATE;
    }
    return { ...state, pins: state.pins.slice(0, MOST_PINS) };
  } catch {
    return FIRST_STATE;
  }
}
