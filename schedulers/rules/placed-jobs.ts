/** Jobs that wait in queues of a controller's own, each at one place: a device, a model on a device, a group. */
import type { ClusterView, JobView } from "../../engine/dispatch/controller.ts";

export interface PlacedJob<Place> {
  readonly job: number;
  readonly pool: number;
  /** When it has to be done here. */
  readonly dueUs: number;
  /** Null: none has been chosen. */
  place: Place | null;
}

/** Hears of jobs as a controller does. `byDue`: a place serves what is due first, else what came first. */
export class PlacedJobs<Place> {
  readonly #byDue: boolean;
  readonly #ofRequest = new Map<number, PlacedJob<Place>[]>();
  readonly #queues = new Map<Place, PlacedJob<Place>[]>();
  #homeless: PlacedJob<Place>[] = [];

  constructor(byDue: boolean) {
    this.#byDue = byDue;
  }

  queued({ job, request }: JobView, pool: number, dueUs: number): void {
    const own = this.#ofRequest.get(request) ?? [];
    this.#ofRequest.set(request, own);
    // A job that moves to another variant, or was lost, is queued again.
    for (const other of own.filter((one) => one.job === job)) this.#remove(own, other);
    const placed = { job, pool, dueUs, place: null };
    own.push(placed);
    this.#homeless.push(placed);
  }

  ended(request: number): void {
    const own = this.#ofRequest.get(request) ?? [];
    for (const placed of [...own]) this.#remove(own, placed);
    this.#ofRequest.delete(request);
  }

  /** Those that wait at a place, in its order. */
  at(place: Place): readonly PlacedJob<Place>[] {
    return this.#queues.get(place) ?? [];
  }

  /** Chooses a place for each job that has none, in order of arrival; undefined: it waits for one. */
  place(view: ClusterView, choose: (placed: PlacedJob<Place>) => Place | undefined): void {
    const open = this.#homeless;
    this.#homeless = [];
    for (const placed of open) {
      if (!view.isWaiting(placed.job)) continue;
      const place = choose(placed);
      if (place === undefined) this.#homeless.push(placed);
      else this.#join(placed, place);
    }
  }

  /** Takes them out of their place's queue, as they start or are dropped. */
  leave(placed: readonly PlacedJob<Place>[]): void {
    for (const one of placed) this.#without(one);
  }

  /** They need another place. */
  expel(placed: readonly PlacedJob<Place>[]): void {
    for (const one of [...placed]) {
      this.#without(one);
      this.#homeless.push(one);
    }
  }

  #join(placed: PlacedJob<Place>, place: Place): void {
    const queue = this.#queues.get(place) ?? [];
    this.#queues.set(place, queue);
    placed.place = place;
    let at = queue.length;
    while (this.#byDue && at > 0 && queue[at - 1].dueUs > placed.dueUs) at--;
    queue.splice(at, 0, placed);
  }

  #without(placed: PlacedJob<Place>): void {
    const queue = placed.place === null ? this.#homeless : this.#queues.get(placed.place);
    const at = queue?.indexOf(placed) ?? -1;
    if (at >= 0) queue?.splice(at, 1);
    placed.place = null;
  }

  #remove(own: PlacedJob<Place>[], placed: PlacedJob<Place>): void {
    this.#without(placed);
    own.splice(own.indexOf(placed), 1);
  }
}
