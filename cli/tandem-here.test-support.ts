/** Runs command lines in this process: a process of its own for each takes a quarter of a second. */
import { tandem } from "./program.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `tandem …words` as if started in `folder`. */
export async function tandemHere(folder: string, words: readonly string[]): Promise<Ended> {
  const before = process.cwd();
  const { exit } = process;
  const { log } = console;
  const [stdout, stderr] = [taken(process.stdout), taken(process.stderr)];
  let exited: number | null = null;
  process.chdir(folder);
  // Help is printed by the console, and ends the process.
  console.log = (text: string) => process.stdout.write(`${text}\n`);
  process.exit = ((code = 0) => {
    exited = Number(code);
  }) as typeof exit;
  try {
    const code = await tandem(words);
    return { code: exited ?? code, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    process.chdir(before);
    Object.assign(process, { exit });
    Object.assign(console, { log });
    stdout.release();
    stderr.release();
  }
}

/** Takes all that is written to a stream, until it is released. */
function taken(stream: NodeJS.WriteStream): { text(): string; release(): void } {
  const { write } = stream;
  let text = "";
  stream.write = (chunk: string | Uint8Array): boolean => {
    text += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    return true;
  };
  return {
    text: () => text,
    release: () => {
      stream.write = write;
    },
  };
}
