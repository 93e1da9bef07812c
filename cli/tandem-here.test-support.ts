/** Runs command lines in this process: a process of its own for each takes a quarter of a second. */
import { tandem } from "./program.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `tandem …words` as if started in `folder`. Not for `--help` and `--version`, which end the process. */
export async function tandemHere(folder: string, words: readonly string[]): Promise<Ended> {
  const before = process.cwd();
  const [stdout, stderr] = [taken(process.stdout), taken(process.stderr)];
  process.chdir(folder);
  try {
    const code = await tandem(words);
    return { code, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    process.chdir(before);
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
