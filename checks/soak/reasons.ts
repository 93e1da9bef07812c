/** Why calls were given up, by what is the same in many messages. */

const MOST = 5;

export class Reasons {
  readonly #counts = new Map<string, number>();

  add(message: string): void {
    const kind = message.replaceAll(/\d+(\.\d+)?/g, "n");
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  /** The most frequent first. */
  get list(): readonly string[] {
    return [...this.#counts]
      .sort(([, a], [, b]) => b - a)
      .slice(0, MOST)
      .map(([kind, count]) => `${count} x ${kind}`);
  }
}
