/**
 * llama.cpp by the package node-llama-cpp, as far as an engine of iterations needs it. Nothing of this project depends
 * on the package: its plain install takes 732 MB, most of it for GPUs that a machine lacks. `LLAMA_CPP_INSTALL` takes
 * 83 MB, into a folder of its own.
 */
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Fault } from "../engine/basics/fault.ts";

const NAME = "node-llama-cpp";
export const LLAMA_CPP_VERSION = "3.21.1";

/** `$TANDEM_CACHE/llama-cpp`, else `~/.cache/tandem/llama-cpp`. */
function llamaCppFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.TANDEM_CACHE || join(homedir(), ".cache", "tandem"), "llama-cpp");
}

/** The command that installs it for this machine. */
export function llamaCppInstall(): string {
  const binary = `@${NAME}/${process.platform === "darwin" ? "mac" : process.platform}-${process.arch}`;
  const packages = [NAME, binary].map((name) => `${name}@${LLAMA_CPP_VERSION}`).join(" ");
  return `npm install --prefix ${llamaCppFolder()} --omit=optional --ignore-scripts ${packages}`;
}

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
  const failures: unknown[] = [];
  for (const from of [import.meta.url, join(llamaCppFolder(), "package.json")]) {
    try {
      const found = createRequire(from).resolve(NAME);
      return (await import(pathToFileURL(found).href)) as LlamaCpp;
    } catch (cause) {
      failures.push(cause);
    }
  }
  throw new Fault("invalid-input", `the package ${NAME} does not load`, {
    hint: `\`${llamaCppInstall()}\``,
    cause: failures.at(-1),
  });
}
