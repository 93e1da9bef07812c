/** Pictures to send: the server's drawn scenes, or the user's own files. */
import type { Scene } from "../shared/api.ts";
import type { Client } from "../shared/client.ts";

/** A picture to send. */
export interface Picture {
  readonly name: string;
  /** In base64, as it is sent. */
  readonly data: string;
  /** An address that an image element takes. */
  readonly source: string;
  readonly truth: Pick<Scene, "car" | "plate"> | null;
}

/** The server takes 32 MiB of JSON; base64 is a third longer than its bytes. */
const MOST_BYTES = 20 * 1024 * 1024;
const MOST_PICTURES = 64;

/** Rejects with a ServerError where the server draws none. */
export async function drawnScenes(client: Client): Promise<Picture[]> {
  const { scenes } = await client.json<{ scenes: Scene[] }>("/v1/scenes");
  return scenes.map(({ png, car, plate }, i) => ({
    name: plate === null ? `scene ${i + 1}, no car` : `scene ${i + 1}, ${plate}`,
    data: png,
    source: `data:image/png;base64,${png}`,
    truth: { car, plate },
  }));
}

/** Rejects with an Error for files that are too large or too many. */
export async function pictureFiles(files: readonly File[]): Promise<Picture[]> {
  if (files.length > MOST_PICTURES) {
    throw new Error(
      `${files.length} files are more than the ${MOST_PICTURES} that are sent in turn`,
    );
  }
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > MOST_BYTES) {
    const mib = (bytes / 2 ** 20).toFixed(1);
    throw new Error(`the files have ${mib} MiB, more than 20: pick fewer, or scale them down`);
  }
  return Promise.all(
    files.map(async (file) => ({
      name: file.name,
      data: base64(new Uint8Array(await file.arrayBuffer())),
      source: URL.createObjectURL(file),
      truth: null,
    })),
  );
}

const CHUNK = 0x8000;

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(text);
}
