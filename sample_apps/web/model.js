"use strict";

// Runs the model. The page brings no runtime of its own, which would be larger than most models:
// where ONNX Runtime Web lies beside it, in runtime/, the golden texts are asked in this browser.

const RUNTIME = "runtime/ort.wasm.bundle.min.mjs";
const NO_RUNTIME =
  "The model was not run: there is no ONNX Runtime Web beside this page. Copy " +
  "ort.wasm.bundle.min.mjs and ort-wasm-simd-threaded.wasm of its npm package, onnxruntime-web " +
  "1.23 or newer, into runtime/ and load the page again.";
const LEVELS = { disable: "disabled", basic: "basic", extended: "extended", all: "all" };
const ENOUGH = 0.8; // of the texts: a rounding that falls the other way moves one in thirty

// The names of a model's files among those of a phone folder.
function modelFiles(names) {
  const graph = names.find((name) => /^onnx\/[^/]+\.(onnx|ort)$/.test(name));
  if (!graph) throw new Error("manifest.json names no model");
  return { graph, weights: names.includes(`${graph}_data`) ? `${graph}_data` : null };
}

// The manifest's `session` as ONNX Runtime Web takes it; what it does not name keeps its default.
function sessionOptions(session = {}) {
  const { optimization = "all", arena = true, memory_pattern = true, prepacking = true } = session;
  if (!Object.hasOwn(LEVELS, optimization)) {
    throw new Error(`manifest.json asks for an unknown optimization, ${optimization}`);
  }
  const options = {
    executionProviders: ["wasm"],
    graphOptimizationLevel: LEVELS[optimization],
    enableCpuMemArena: arena,
    enableMemPattern: memory_pattern,
  };
  return prepacking ? options : { ...options, extra: { session: { disable_prepacking: "1" } } };
}

// The weights that lie in a file of their own, under the name that the graph knows them by.
function externalData(weights, bytes) {
  return weights ? { externalData: [{ path: weights.split("/").at(-1), data: bytes }] } : {};
}

// What the model takes for one text; one of fixed length is filled up with `padding`.
function feeds(runtime, session, ids, types, padding) {
  const length = fixedLength(session) ?? ids.length;
  const given = {
    input_ids: [ids, padding],
    attention_mask: [ids.map(() => 1), 0],
    token_type_ids: [types ?? ids.map(() => 0), 0],
  };
  const tensor = ([values, fill]) => {
    const row = Array.from({ length }, (_, place) => BigInt(values[place] ?? fill));
    return new runtime.Tensor("int64", BigInt64Array.from(row), [1, length]);
  };
  return Object.fromEntries(session.inputNames.map((name) => [name, tensor(given[name])]));
}

function fixedLength(session) {
  const length = session.inputMetadata?.[0]?.shape?.[1];
  return typeof length === "number" && length > 0 ? length : null;
}

// ONNX Runtime Web, or null where it does not lie beside the page.
async function findRuntime() {
  try {
    return await import(`./${RUNTIME}`);
  } catch {
    return null;
  }
}

// Opens the model; `files` holds its bytes by name.
async function openModel(manifest, files, runtime) {
  const { graph, weights } = modelFiles([...files.keys()]);
  runtime.env.wasm.numThreads = 1; // more would need headers that few hosts send
  const options = {
    ...sessionOptions(manifest.session),
    ...externalData(weights, files.get(weights)),
  };
  const start = performance.now();
  const session = await runtime.InferenceSession.create(files.get(graph), options);
  return { runtime, session, ms: performance.now() - start };
}

// Asks every golden text. Returns, for each, its logits here, how far they are off and how long
// they took.
async function askGolden({ runtime, session }, golden, padding) {
  const answers = [];
  for (const [index, ids] of golden.input_ids.entries()) {
    const given = feeds(runtime, session, ids, golden.token_type_ids?.[index], padding);
    const start = performance.now();
    const { logits } = await session.run(given, ["logits"]);
    const ms = performance.now() - start;
    const found = Array.from(logits.data, Number);
    const off = Math.max(...golden.logits[index].map((wanted, at) => Math.abs(wanted - found[at])));
    answers.push({ logits: found, off, ms });
  }
  return answers;
}

// Whether logits mean what the golden file says: one label, or a list of those that hold.
function sameLabels(logits, wanted, labels) {
  if (!Array.isArray(wanted)) return labels[logits.indexOf(Math.max(...logits))] === wanted;
  return labels.every((label, at) => logits[at] > 0 === wanted.includes(label));
}

// Whether this browser reproduces the golden texts, as a state and a sentence.
function judge(answers, golden, labels, loadMs) {
  const same = answers.filter(
    (answer, index) =>
      answer.off <= golden.tolerance &&
      (labels.length === 0 || sameLabels(answer.logits, golden.labels[index], labels)),
  ).length;
  const times = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  const middle = times[Math.floor(times.length / 2)];
  const state = same >= ENOUGH * answers.length ? "good" : "bad";
  const sentence =
    `This browser answers ${same} of ${answers.length} texts as it must, within ` +
    `${golden.tolerance} of each logit. Runtime and model were ready in ${loadMs.toFixed(0)} ms; ` +
    `a text takes ${middle.toFixed(1)} ms, the median, on one thread.`;
  return { state, sentence };
}
