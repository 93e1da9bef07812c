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
const BEGIN = new RegExp(SEPARATOR);
/** A separator also ends a message that was cut short. */
const END = new RegExp(`[\n${SEPARATOR}]`);
/** Characters of a message that no channel needs. */
const MOST_CHARACTERS = 2 ** 28;

export function encodeMessage(message: unknown): string {
  return `${SEPARATOR}${JSON.stringify(message)}\n`;
}

export interface MessageListener {
  /** A whole message. */
  message(value: unknown): void;
  /** Text between messages, in pieces. */
  noise(text: string): void;
}

/** Takes text in pieces and finds the messages in it. */
export class MessageReader {
  readonly #listener: MessageListener;
  /** The message that has begun; null between messages. */
  #begun: string[] | null = null;
  #characters = 0;

  constructor(listener: MessageListener) {
    this.#listener = listener;
  }

  read(piece: string): void {
    let rest = piece;
    while (rest !== "") {
      const at = rest.search(this.#begun === null ? BEGIN : END);
      const before = at < 0 ? rest : rest.slice(0, at);
      if (this.#begun !== null) this.#add(before);
      else if (before !== "") this.#listener.noise(before);
      if (at < 0) return;
      if (this.#begun !== null) this.#end();
      if (rest[at] === SEPARATOR) this.#begin();
      rest = rest.slice(at + 1);
    }
  }

  #begin(): void {
    this.#begun = [];
    this.#characters = 0;
  }

  #add(text: string): void {
    this.#characters += text.length;
    if (this.#characters > MOST_CHARACTERS) this.#begun = null;
    else this.#begun?.push(text);
  }

  #end(): void {
    const text = (this.#begun ?? []).join("");
    this.#begun = null;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // Cut short, or mixed with other text: a separator begins the next message.
      this.#listener.noise(`${text}\n`);
      return;
    }
    this.#listener.message(value);
  }
}
