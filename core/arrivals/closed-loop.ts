/** Clients that each send, wait for the answer, think, and send again. */
import { WinnerTree } from "../winner-tree.ts";
import type { Extent } from "./extent.ts";
import type { ArrivalSource } from "./source.ts";
import { Standstill } from "./standstill.ts";

/** From `atS` on there are so many clients. */
export interface ClientStep {
  readonly atS: number;
  readonly clients: number;
}

export class ClosedLoop implements ArrivalSource {
  readonly closed = true;
  readonly horizonUs: number;
  readonly #due: WinnerTree;
  readonly #thinkUs: number;
  readonly #waiting: number[] = [];
  readonly #standstill: Standstill;
  #left: number;

  constructor(clients: number, thinkUs: number, { limit, horizonUs }: Extent) {
    this.#due = new WinnerTree(clients);
    for (let client = 0; client < clients; client++) this.#due.set(client, 0);
    this.#thinkUs = Math.round(thinkUs);
    this.#standstill = new Standstill(clients);
    this.#left = limit;
    this.horizonUs = horizonUs;
  }

  get nextUs(): number {
    const at = this.#left > 0 ? this.#due.least() : Number.POSITIVE_INFINITY;
    return at >= this.horizonUs ? Number.POSITIVE_INFINITY : at;
  }

  get exhausted(): boolean {
    return this.#left === 0;
  }

  advance(): void {
    this.#standstill.sent(this.#due.least(), this.#waiting.length);
    this.#left--;
    this.#waiting.push(this.#due.take());
  }

  requestEnded(nowUs: number): void {
    const client = this.#waiting.pop();
    if (client !== undefined) this.#due.set(client, nowUs + this.#thinkUs);
  }
}

/**
 * A closed loop whose number of clients changes in steps: client k sends while there are more than k.
 * One that has its answer, or has thought, while there are fewer stays away until there are more again;
 * then it sends at once. Of the clients that wait, the one of the highest number is answered first, so that
 * those who are too many leave first.
 */
export class SteppedClosedLoop implements ArrivalSource {
  readonly closed = true;
  readonly horizonUs: number;
  readonly #steps: readonly { readonly atUs: number; readonly clients: number }[];
  readonly #thinkUs: number;
  readonly #due: WinnerTree;
  readonly #waiting: WinnerTree;
  readonly #standstill: Standstill;
  #underWay = 0;
  #left: number;

  /** `steps` are in order of time; before the first there are no clients. */
  constructor(steps: readonly ClientStep[], thinkUs: number, { limit, horizonUs }: Extent) {
    const most = Math.max(1, ...steps.map(({ clients }) => clients));
    this.#steps = steps.map(({ atS, clients }) => ({ atUs: Math.round(atS * 1e6), clients }));
    this.#thinkUs = Math.round(thinkUs);
    this.#due = new WinnerTree(most);
    this.#waiting = new WinnerTree(most);
    this.#standstill = new Standstill(most);
    for (let client = 0; client < most; client++) this.#due.set(client, this.#presentUs(client, 0));
    this.#left = limit;
    this.horizonUs = horizonUs;
  }

  get nextUs(): number {
    const at = this.#left > 0 ? this.#due.least() : Number.POSITIVE_INFINITY;
    return at >= this.horizonUs ? Number.POSITIVE_INFINITY : at;
  }

  get exhausted(): boolean {
    const nobody = Number.POSITIVE_INFINITY;
    return this.#left === 0 || (this.#due.least() === nobody && this.#waiting.least() === nobody);
  }

  advance(): void {
    this.#standstill.sent(this.#due.least(), this.#underWay);
    this.#underWay++;
    this.#left--;
    const client = this.#due.take();
    this.#waiting.set(client, -client);
  }

  requestEnded(nowUs: number): void {
    if (this.#waiting.least() === Number.POSITIVE_INFINITY) return;
    this.#underWay--;
    const client = this.#waiting.take();
    this.#due.set(client, this.#presentUs(client, nowUs + this.#thinkUs));
  }

  /** The first instant from `fromUs` on at which the client is there; Infinity if it never is. */
  #presentUs(client: number, fromUs: number): number {
    let present = false;
    for (const { atUs, clients } of this.#steps) {
      if (atUs > fromUs) {
        if (present) return fromUs;
        if (client < clients) return atUs;
      }
      present = client < clients;
    }
    return present ? fromUs : Number.POSITIVE_INFINITY;
  }
}
