// What logits mean, and whether they are those that the golden texts ask for.

const ENOUGH = 0.8; // of the texts to the last digit: some kernels round an activation otherwise
const SCORE_OFF = { tolerances: 10, share: 0.05 }; // the larger; a share of the golden range

// The probabilities of a row of logits; a regression's score is none.
export function probabilities(logits, kind) {
  if (kind === "multi-label") return logits.map((logit) => 1 / (1 + Math.exp(-logit)));
  if (kind === "regression") return [];
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const sum = powers.reduce((one, other) => one + other, 0);
  return powers.map((power) => power / sum);
}

// What a row of logits says: a label, a list of labels, or a number.
export function answer(logits, { kind, labels }) {
  if (kind === "regression") return logits[0];
  if (kind === "multi-label") return labels.filter((_, at) => logits[at] > 0);
  return labels[logits.indexOf(Math.max(...logits))];
}

// How many numbers the model gives for a text.
export const width = ({ kind, labels }) => (kind === "regression" ? 1 : labels.length);

// The range of scores that the golden texts span, as whole numbers around them.
export function scoreRange(golden) {
  const scores = golden.logits.map(([score]) => score);
  return [Math.floor(Math.min(...scores)), Math.ceil(Math.max(...scores))];
}

// By how much a score may be off and still be the golden one, rounded otherwise.
export function scoreSlack({ logits, tolerance }) {
  const scores = logits.map(([score]) => score);
  const range = Math.max(...scores) - Math.min(...scores);
  return Math.max(SCORE_OFF.tolerances * tolerance, SCORE_OFF.share * range);
}

// Compares one text's ids, types and logits with the golden ones: `exact`; `near`, where a rounding fell
// the other way; or `wrong`, with what is wrong.
export function judgeText(found, wanted, task, golden) {
  const { tolerance } = golden;
  const off = Math.max(...wanted.logits.map((logit, at) => Math.abs(logit - found.logits[at])));
  const wrong = [];
  const same = (name) => found[name].join() === wanted[name].join();
  if (!same("ids") || !same("types")) wrong.push("tokens");
  if (!Number.isFinite(off)) wrong.push("logits");
  else if (task.kind === "regression") wrong.push(...(off > scoreSlack(golden) ? ["score"] : []));
  else if (!sameAnswer(found.logits, wanted.logits, task, tolerance)) wrong.push("label");
  const state = wrong.length > 0 ? "wrong" : off <= tolerance ? "exact" : "near";
  return { state, off, wrong };
}

// Whether two rows of logits say the same; what lies within the tolerance of a tie may go either way.
function sameAnswer(found, wanted, { kind }, tolerance) {
  if (kind === "multi-label") {
    return wanted.every((logit, at) => logit > 0 === found[at] > 0 || Math.abs(logit) <= tolerance);
  }
  const chosen = found.indexOf(Math.max(...found));
  return Math.max(...wanted) - wanted[chosen] <= 2 * tolerance;
}

// Whether a device reproduces the golden texts, by the states of them all.
export function judge(results) {
  const count = (state) => results.filter((result) => result.state === state).length;
  const [exact, near, wrong] = ["exact", "near", "wrong"].map(count);
  const passed = results.length > 0 && wrong === 0 && exact >= ENOUGH * results.length;
  const rounded = near > 0 ? `, ${near} of them with a rounding of its own` : "";
  const sentence = passed
    ? `This device gives the golden answer to all ${results.length} texts${rounded}.`
    : wrong > 0
      ? `This device answers ${wrong} of ${results.length} texts otherwise than it must.`
      : `This device's logits are off for ${near} of ${results.length} texts: too many.`;
  return { passed, exact, near, wrong, sentence };
}

// The value below which the given share of them lies, by the nearest rank.
export function quantile(values, share) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
