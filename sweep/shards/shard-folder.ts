/**
 * The folder that the machines of a sweep share:
 *
 *   manifest.json          the sweep and its cut into shards
 *   shards/7.jsonl         the store's lines of shard 7, in the order of the sweep
 *   shards/7.json          its record; there once the shard is finished
 *   shards/7.failed.json   how it last failed
 *   jobs.json              the jobs that run it, which any shell can ask for or end
 *
 * A shard is written into a folder of its attempt and renamed, so that attempts that run at once, on any
 * machines, cannot mix. Source lines are kept, not Parquet: `results.json` is made of them, and a Parquet
 * file holds a part of that only.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { hostname } from "node:os";
import { join, relative, resolve } from "node:path";
import { assert, Fault } from "../../engine/basics/fault.ts";
import type { InventoryOf } from "../../scenario/inventory/schema.ts";
import type { Sample } from "../../scenario/sweep/axes.ts";
import { AtomicFile, makeFolder, writeAll, writeJson } from "../atomic-file.ts";
import type { SubmittedJob } from "../engines/engine.ts";
import { differentFields, STORE_FILE, type StoreKey } from "../records.ts";

/** Everything that a sweep's results depend on, besides the files that its scenario names. */
interface ResultArguments {
  /** The scenario's path. */
  readonly file: string;
  /** Values by path. */
  readonly overrides: Readonly<Record<string, unknown>>;
  readonly sample?: Sample | undefined;
  readonly margin?: number | undefined;
  readonly requests?: boolean | undefined;
  readonly allowLarge?: boolean | undefined;
  /** Repeats the sweep without shards. */
  readonly command: string;
}

export interface Manifest {
  readonly schema: "tandem/sweep@1";
  /** Where `arguments.file` starts, from the sweep's folder. */
  readonly folder: string;
  readonly arguments: ResultArguments;
  /** With the scenario's digest, the code's digest and the seed. */
  readonly key: StoreKey;
  readonly seedRule: string;
  readonly configurations: number;
  /** Shard i has configurations `starts[i]` .. `starts[i + 1]` − 1. */
  readonly starts: readonly number[];
}

export interface AskedSweep extends Pick<Manifest, "arguments" | "key" | "configurations"> {
  readonly shards: number;
  /** Called where there is no manifest yet. */
  readonly starts: () => readonly number[];
}

const SEED_RULE =
  "replication r of a configuration draws from streams named by the seed and r: the shard has no part in it";

export interface ShardRecord {
  readonly schema: "tandem/shard@1";
  readonly shard: number;
  readonly first: number;
  readonly end: number;
  /** SHA-256 of the shard's file. */
  readonly digest: string;
  readonly host: string;
  readonly program: unknown;
  readonly startedAt: string;
  readonly seconds: number;
}

export interface ShardFailure {
  readonly schema: "tandem/shard-failure@1";
  readonly shard: number;
  readonly exit: number;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly host: string;
  readonly at: string;
}

export function failureText({ exit, message, hint, host }: ShardFailure): string {
  return `exit code ${exit} on ${host}: ${message}${hint === undefined ? "" : ` (${hint})`}`;
}

/** The kinds of inventory whose queue runs shards. */
export type EngineSettings = InventoryOf<"slurm" | "kubernetes">;

export interface JobList {
  readonly schema: "tandem/sweep-jobs@1";
  readonly engine: EngineSettings;
  readonly jobs: readonly SubmittedJob[];
}

const MANIFEST = "manifest.json";
const JOBS = "jobs.json";
const SHARDS = "shards";
const ATTEMPT = ".attempt-";

export class ShardFolder {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = resolve(directory);
  }

  path(...parts: readonly string[]): string {
    return join(this.directory, ...parts);
  }

  get hasManifest(): boolean {
    return existsSync(this.path(MANIFEST));
  }

  /** Whether the manifest is of the sweep with this key, which was checked before it was cut. */
  knows(key: StoreKey): boolean {
    return this.hasManifest && differentFields(this.manifest().key, key).length === 0;
  }

  /** Throws Fault("not-found") where there is none. */
  manifest(): Manifest {
    try {
      return JSON.parse(readFileSync(this.path(MANIFEST), "utf8")) as Manifest;
    } catch (cause) {
      throw new Fault("not-found", `${this.directory} holds no sharded sweep`, {
        hint: "`tandem simulate S --on INVENTORY --out DIR` starts one in DIR",
        cause,
      });
    }
  }

  /**
   * Writes the manifest, or keeps the one that is there if it is of the same sweep and number of shards; every
   * shard may do so by itself. Throws Fault("usage") for another sweep.
   */
  agree({ shards, starts, ...asked }: AskedSweep): Manifest {
    if (!this.hasManifest) {
      const folder = relative(this.directory, process.cwd());
      makeFolder(this.path(SHARDS));
      const manifest = { schema: "tandem/sweep@1", folder, seedRule: SEED_RULE, ...asked };
      const beside = this.path(`${MANIFEST}.${attemptName()}`);
      writeJson(beside, { ...manifest, starts: starts() });
      renameSync(beside, this.path(MANIFEST));
    }
    const found = this.manifest();
    const different = differentFields(found.key, asked.key);
    if (found.starts.length !== shards + 1) different.push("number of shards");
    if (different.length === 0) return found;
    throw new Fault("usage", `${this.directory} holds shards of another ${different.join(", ")}`, {
      hint: "give another folder, or the options, the scenario and the build of the first time",
    });
  }

  /** Undefined where no jobs were given out. */
  jobs(): JobList | undefined {
    const path = this.path(JOBS);
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as JobList) : undefined;
  }

  noteJobs(engine: EngineSettings, jobs: readonly SubmittedJob[]): void {
    writeJson(this.path(JOBS), { schema: "tandem/sweep-jobs@1", engine, jobs });
  }

  /** Shards by number that are finished. */
  finished(): ReadonlySet<number> {
    return this.#numbered(/^(\d+)\.json$/);
  }

  missing({ starts }: Manifest): readonly number[] {
    const finished = this.finished();
    return Array.from({ length: starts.length - 1 }, (_, i) => i).filter((i) => !finished.has(i));
  }

  /** The last failures of shards that are not finished, by shard. */
  failures(): readonly ShardFailure[] {
    const finished = this.finished();
    const failed = [...this.#numbered(/^(\d+)\.failed\.json$/)].sort((a, b) => a - b);
    return failed
      .filter((shard) => !finished.has(shard))
      .flatMap((shard) => this.#read<ShardFailure>(`${shard}.failed.json`) ?? []);
  }

  noteFailure(failure: Pick<ShardFailure, "shard" | "exit" | "message" | "hint">): void {
    const note = { schema: "tandem/shard-failure@1", ...failure, host: hostname() };
    makeFolder(this.path(SHARDS));
    this.#write(`${failure.shard}.failed.json`, { ...note, at: new Date().toISOString() });
  }

  /** A failure is forgotten when its shard is given out anew. */
  forgetFailures(shards: readonly number[]): void {
    for (const shard of shards) rmSync(this.#shard(`${shard}.failed.json`), { force: true });
  }

  record(shard: number): ShardRecord | undefined {
    return this.#read<ShardRecord>(`${shard}.json`);
  }

  /** A folder for one attempt at a shard; nobody else writes there. */
  attempt(shard: number): string {
    const folder = this.#shard(`${shard}${ATTEMPT}${attemptName()}`);
    makeFolder(folder);
    return folder;
  }

  /** Finishes a shard: its lines, with their ends, then its record, appear at once each. */
  keep(
    record: Omit<ShardRecord, "digest" | "host">,
    attempt: string,
    lines: Iterable<string>,
  ): void {
    const { shard } = record;
    const path = join(attempt, "lines");
    const descriptor = openSync(path, "w");
    const hash = createHash("sha256");
    for (const line of lines) {
      const bytes = Buffer.from(line);
      hash.update(bytes);
      writeAll(descriptor, bytes);
    }
    fsyncSync(descriptor);
    closeSync(descriptor);
    renameSync(path, this.#shard(`${shard}.jsonl`));
    const digest = hash.digest("hex");
    this.#write(`${shard}.json`, { ...record, digest, host: hostname() });
    this.forgetFailures([shard]);
    rmSync(attempt, { recursive: true, force: true });
  }

  /**
   * All shards' lines, in the order of the sweep, as its store. Returns the records. Throws Fault("unavailable") for
   * a shard whose file is not the one of its record.
   */
  gather({ starts, key }: Manifest): readonly ShardRecord[] {
    const store = new AtomicFile(this.path(STORE_FILE));
    const records: ShardRecord[] = [];
    try {
      store.write(`${JSON.stringify(key)}\n`);
      for (let shard = 0; shard < starts.length - 1; shard++) {
        const record = this.record(shard);
        assert(record !== undefined, `shard ${shard} is finished`);
        this.#copyLines(record, store);
        records.push(record);
      }
      store.keep();
    } finally {
      store.close();
    }
    return records;
  }

  /** Removes the folders of attempts that were killed. Call it when none runs. */
  removeAttempts(): void {
    for (const name of readdirSync(this.path(SHARDS))) {
      if (name.includes(ATTEMPT)) rmSync(this.#shard(name), { recursive: true, force: true });
    }
  }

  #copyLines({ shard, digest, host }: ShardRecord, store: AtomicFile): void {
    const path = this.#shard(`${shard}.jsonl`);
    const lines = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
    store.write(lines);
    if (createHash("sha256").update(lines).digest("hex") === digest) return;
    throw new Fault("unavailable", `${path} is not the file that ${host} wrote`, {
      hint: `remove ${this.#shard(`${shard}.json`)} and start the sweep again: it runs only what is missing`,
    });
  }

  #shard(name: string): string {
    return this.path(SHARDS, name);
  }

  #numbered(pattern: RegExp): ReadonlySet<number> {
    const names = existsSync(this.path(SHARDS)) ? readdirSync(this.path(SHARDS)) : [];
    return new Set(names.flatMap((name) => pattern.exec(name)?.[1] ?? []).map(Number));
  }

  #read<T>(name: string): T | undefined {
    try {
      return JSON.parse(readFileSync(this.#shard(name), "utf8")) as T;
    } catch {
      // Another machine may have removed it meanwhile.
      return undefined;
    }
  }

  #write(name: string, document: unknown): void {
    const beside = this.#shard(`${name}.${attemptName()}`);
    writeJson(beside, document);
    renameSync(beside, this.#shard(name));
  }
}

/** Differs between processes of all machines. */
function attemptName(): string {
  return `${hostname()}-${process.pid}`;
}
