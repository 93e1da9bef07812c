/**
 * The settings of operators while a gateway runs: batching of replicas, and tasks with unloaded models.
 * A file keeps them for a gateway that is started again.
 */
import { existsSync, readFileSync } from "node:fs";
import type { ReplicaBatching } from "../../core/gateway-status.ts";
import { replaceFile } from "../security/certificate-files.ts";

interface Controls {
  /** By the replica's name. */
  readonly batching: Readonly<Record<string, ReplicaBatching>>;
  readonly unloaded: readonly string[];
}

export class ControlRecord {
  readonly #file: string | null;
  #controls: Controls = { batching: {}, unloaded: [] };

  /** Null: no file. Ignores an unreadable file, with a line on stderr. */
  constructor(file: string | null) {
    this.#file = file;
    if (file === null || !existsSync(file)) return;
    try {
      this.#controls = JSON.parse(readFileSync(file, "utf8")) as Controls;
    } catch (error) {
      process.stderr.write(`settings from before are lost: ${(error as Error).message}\n`);
    }
  }

  /** Names of tasks. */
  get unloaded(): readonly string[] {
    return this.#controls.unloaded;
  }

  /** Null: as the scheduler says. */
  batchingOf(replica: string): ReplicaBatching | null {
    return this.#controls.batching[replica] ?? null;
  }

  setBatching(replica: string, own: ReplicaBatching | null): void {
    const { [replica]: _, ...others } = this.#controls.batching;
    const batching = own === null ? others : { ...others, [replica]: own };
    this.#keep({ ...this.#controls, batching });
  }

  setUnloaded(unloaded: readonly string[]): void {
    this.#keep({ ...this.#controls, unloaded });
  }

  #keep(controls: Controls): void {
    if (JSON.stringify(controls) === JSON.stringify(this.#controls)) return;
    this.#controls = controls;
    if (this.#file === null) return;
    try {
      replaceFile(this.#file, JSON.stringify(controls));
    } catch (error) {
      process.stderr.write(`settings are not kept: ${(error as Error).message}\n`);
    }
  }
}
