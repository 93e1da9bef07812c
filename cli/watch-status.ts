/** The live table of `tandem cluster status`: on the terminal's other screen, until Ctrl-C. */
import { type ClusterStatus, clusterStatus } from "../cluster/deploy/state.ts";
import { statusText } from "./status-table.ts";

const EVERY_MS = 1000;
const DEFAULT_COLUMNS = 100;
const OTHER_SCREEN = "\x1b[?1049h\x1b[?25l";
const FIRST_SCREEN = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/**
 * Resolves with the last status when interrupted, or when nothing is up any more; its table stays on
 * the screen.
 */
export async function watchStatus(
  tokenFile: string | null,
  stdout: NodeJS.WriteStream = process.stdout,
): Promise<ClusterStatus | null> {
  let stopped = false;
  let wake: () => void = () => undefined;
  const stop = (): void => {
    stopped = true;
    wake();
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  stdout.on("resize", () => wake());
  stdout.write(OTHER_SCREEN);
  let text = "";
  let status: ClusterStatus | null = null;
  try {
    while (!stopped) {
      status = await clusterStatus(process.cwd(), tokenFile);
      text = statusText(status, stdout.columns ?? DEFAULT_COLUMNS);
      stdout.write(screen(`${text}\n\nCtrl-C ends this`, stdout.rows ?? Number.POSITIVE_INFINITY));
      if (status === null) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, EVERY_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    stdout.write(`${FIRST_SCREEN}${text}\n`);
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
  return status;
}

/** Written over the last one, so that nothing flickers; what does not fit is cut. */
function screen(text: string, rows: number): string {
  const lines = text.split("\n");
  const shown = lines.length > rows ? [...lines.slice(0, rows - 1), "…"] : lines;
  return `${HOME}${shown.map((line) => `${line}${CLEAR_LINE}`).join("\n")}${CLEAR_BELOW}`;
}
