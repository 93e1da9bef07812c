/** Greedy decoding of a text recogniser trained with connectionist temporal classification. */

export interface CtcText {
  readonly text: string;
  /** The probability of each character of `text`, from 0 to 1. */
  readonly probabilities: readonly number[];
}

/**
 * The most probable class at each step, repeats merged, blanks (class 0) dropped. `data`
 * [steps,classes]; class k > 0 is `characters[k − 1]`. Source: Graves et al. (2006), best path
 * decoding.
 */
export function decodeCtc(data: Float32Array, characters: readonly string[]): CtcText {
  const classes = characters.length + 1;
  let text = "";
  const probabilities: number[] = [];
  let previous = 0;
  for (let offset = 0; offset + classes <= data.length; offset += classes) {
    let best = 0;
    for (let k = 1; k < classes; k++) {
      if (data[offset + k]! > data[offset + best]!) best = k;
    }
    if (best !== 0 && best !== previous) {
      text += characters[best - 1];
      probabilities.push(data[offset + best]!);
    }
    previous = best;
  }
  return { text, probabilities };
}
