/**
 * llama.cpp by the package node-llama-cpp, as far as an engine of iterations needs it. Nothing of this project depends
 * on the package: its plain install takes 732 MB, most of it for GPUs that a machine lacks. `LLAMA_CPP_INSTALL` takes
 * 83 MB, into a folder of its own.
 */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Fault } from "../engine/basics/fault.ts";
import { PATIENCE } from "./store.ts";

const NAME = "node-llama-cpp";
export const LLAMA_CPP_VERSION = "3.21.1";

/** `$TANDEM_CACHE/llama-cpp`, else `~/.cache/tandem/llama-cpp`. */
function llamaCppFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.TANDEM_CACHE || join(homedir(), ".cache", "tandem"), "llama-cpp");
}

function installWords(): readonly string[] {
  const binary = `@${NAME}/${process.platform === "darwin" ? "mac" : process.platform}-${process.arch}`;
  const packages = [NAME, binary].map((name) => `${name}@${LLAMA_CPP_VERSION}`);
  return [
    "install",
    "--prefix",
    llamaCppFolder(),
    "--omit=optional",
    "--ignore-scripts",
    ...packages,
  ];
}

/** The command that installs it for this machine. */
export function llamaCppInstall(): string {
  return `npm ${installWords().join(" ")}`;
}

/** Installs it into `llamaCppFolder()` where it does not load. Throws Fault("registry-unreachable"). */
export async function installLlamaCpp(): Promise<void> {
  if (resolveLlamaCpp() !== undefined) return;
  // Windows starts npm by a script, which only a shell runs.
  const options = { shell: process.platform === "win32", maxBuffer: 2 ** 26 };
  try {
    await promisify(execFile)("npm", [...installWords(), ...PATIENCE, "--no-audit"], options);
  } catch (cause) {
    const [, why] = /npm error (?!code|errno|syscall)(.*)/.exec(String(cause)) ?? [
      null,
      String(cause).split("\n")[0],
    ];
    throw new Fault("registry-unreachable", `cannot fetch ${NAME}: ${why}`, {
      hint: "check the network and `npm config get registry`, then try again",
      cause,
    });
  }
}

/** Its entry, in this project's packages or its own folder. */
function resolveLlamaCpp(): string | undefined {
  for (const from of [import.meta.url, join(llamaCppFolder(), "package.json")]) {
    try {
      return createRequire(from).resolve(NAME);
    } catch {}
  }
  return undefined;
}

export const isLlamaCppHere = (): boolean => resolveLlamaCpp() !== undefined;

type Token = number;

/** A slice of a context's memory that holds one sequence. */
export interface LlamaSlice {
  /** Computes tokens after those that are there; a pair asks for the token that follows. */
  controlledEvaluate(
    input: readonly (
      | Token
      | readonly [Token, { readonly generateNext: { readonly token: true } }]
    )[],
  ): Promise<readonly ({ readonly next: { readonly token?: Token | null } } | undefined)[]>;
  clearHistory(): Promise<void>;
  /** Its tokens with their keys and values, for a slice of the same model. */
  saveStateToFile(path: string): Promise<unknown>;
  loadStateFromFile(path: string, risk: { readonly acceptRisk: true }): Promise<void>;
  /** Its tokens from `start` to before `end`; later ones move up. */
  eraseContextTokenRanges(
    ranges: readonly { readonly start: number; readonly end: number }[],
  ): Promise<void>;
}

/** Items of all slices that wait for the next evaluation. */
interface BatchOrder {
  readonly items: readonly { readonly tokens: readonly Token[] }[];
  readonly size: number;
}

export interface LlamaModel {
  /** Tokens of the context that it was trained with. */
  readonly trainContextSize: number;
  tokenize(text: string): readonly Token[];
  detokenize(tokens: readonly Token[], special: boolean, before: readonly Token[]): string;
  isEogToken(token: Token): boolean;
  isSpecialToken(token: Token): boolean;
  createContext(options: {
    readonly sequences: number;
    readonly contextSize: number;
    readonly batchSize: number;
    readonly threads: number;
    readonly batching: {
      readonly itemPrioritizationStrategy: (order: BatchOrder) => readonly {
        readonly item: BatchOrder["items"][number];
        readonly processAmount: number;
      }[];
    };
  }): Promise<{ getSequence(): LlamaSlice; dispose(): Promise<void> }>;
  dispose(): Promise<void>;
}

interface LlamaCpp {
  getLlama(options: {
    readonly gpu: false;
    readonly build: "never";
    readonly maxThreads: number;
    readonly logLevel: "error";
  }): Promise<{
    loadModel(options: { readonly modelPath: string }): Promise<LlamaModel>;
    dispose(): Promise<void>;
  }>;
}

/** Throws Fault("invalid-input") where the package is not installed. */
export async function loadLlamaCpp(): Promise<LlamaCpp> {
  const found = resolveLlamaCpp();
  if (found !== undefined) return (await import(pathToFileURL(found).href)) as LlamaCpp;
  throw new Fault("invalid-input", `the package ${NAME} does not load`, {
    hint: `\`${llamaCppInstall()}\``,
  });
}
