/**
 * Messages over standard input and output, for a child that runs on another machine: JSON text sequences
 * (RFC 7464), one message each. A record separator begins a message, so a reader finds the next one after
 * anything else that a login shell or a library writes.
 */

/** Parent to child. */
export type ParentMessage =
  | { readonly kind: "message"; readonly value: unknown }
  /** From now on, a parent that is silent for so long is gone. */
  | { readonly kind: "lease"; readonly ms: number }
  | { readonly kind: "alive" }
  | { readonly kind: "stop" };

const SEPARATOR = "\x1e";
/** Characters of a line that no channel needs. */
const MOST_CHARACTERS = 2 ** 28;

export function encodeMessage(message: unknown): string {
  return `${SEPARATOR}${JSON.stringify(message)}\n`;
}

export interface MessageListener {
  /** A whole message. */
  message(value: unknown): void;
  /** Text beside messages. */
  noise(text: string): void;
}

/** Takes text in pieces and finds the messages in it, at the end of each line. */
export function messageReader({ message, noise }: MessageListener): (piece: string) => void {
  let line: string[] = [];
  let characters = 0;
  const end = (): void => {
    const [before, ...texts] = line.join("").split(SEPARATOR);
    if (texts.length === 0) noise(`${before}\n`);
    else if (before !== "") noise(before);
    for (const text of texts) {
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        // Cut short, or mixed with other text.
        noise(`${text}\n`);
        continue;
      }
      message(value);
    }
  };
  return (piece) => {
    for (const [i, text] of piece.split("\n").entries()) {
      if (i > 0) {
        end();
        line = [];
        characters = 0;
      }
      characters += text.length;
      if (characters <= MOST_CHARACTERS) line.push(text);
    }
  };
}
