/** Greedy decoding of a text recogniser trained with connectionist temporal classification. */

export interface CtcText {
  readonly text: string;
  /** The probability of each character of `text`, from 0 to 1. */
  readonly probabilities: readonly number[];
}

/**
 * The most probable class at each step, repeats merged, blanks dropped. `data`
 * [steps,classes]; the blank is the first class or the last, the others are `characters` in order.
 * Source: Graves et al. (2006), best path decoding.
 */
export function decodeCtc(
  data: Float32Array,
  characters: readonly string[],
  blankAt: "first" | "last" = "first",
): CtcText {
  const classes = characters.length + 1;
  const blank = blankAt === "first" ? 0 : classes - 1;
  const first = blankAt === "first" ? 1 : 0;
  let text = "";
  const probabilities: number[] = [];
  let previous = blank;
  for (let offset = 0; offset + classes <= data.length; offset += classes) {
    let best = 0;
    for (let k = 1; k < classes; k++) {
      if (data[offset + k]! > data[offset + best]!) best = k;
    }
    if (best !== blank && best !== previous) {
      text += characters[best - first];
      probabilities.push(data[offset + best]!);
    } else if (best !== blank && data[offset + best]! > probabilities.at(-1)!) {
      probabilities[probabilities.length - 1] = data[offset + best]!;
    }
    previous = best;
  }
  return { text, probabilities };
}
