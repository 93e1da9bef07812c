/** Callers that a gateway has turned away before any request: counted for metrics, and logged. */

export interface Refusals {
  /** An address, or "all" together, has more connections than it may. */
  connection(address: string): void;
  /** Credentials are unknown, missing or of too low a role. */
  login(address: string, reason: string): void;
}

export const UNNOTED: Refusals = { connection: () => undefined, login: () => undefined };

type Say = (fields: object) => void;

/** `says` get each refusal; they may summarise many. */
export class RefusalCounts implements Refusals {
  connections = 0;
  logins = 0;
  readonly #says: { readonly connection: Say; readonly login: Say };

  constructor(says: { readonly connection: Say; readonly login: Say }) {
    this.#says = says;
  }

  connection(address: string): void {
    this.connections++;
    this.#says.connection({ address });
  }

  login(address: string, reason: string): void {
    this.logins++;
    this.#says.login({ address, reason });
  }
}
