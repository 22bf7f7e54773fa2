// Runs the model with ONNX Runtime Web, opened as the phone folder's manifest says.

const LEVELS = { disable: "disabled", basic: "basic", extended: "extended", all: "all" };

// The names of a model's files among those of a phone folder.
export function modelFiles(names) {
  const graph = names.find((name) => /^onnx\/[^/]+\.(onnx|ort)$/.test(name));
  if (!graph) throw new Error("manifest.json names no model");
  return { graph, weights: names.includes(`${graph}_data`) ? `${graph}_data` : null };
}

// The manifest's `session` as ONNX Runtime Web takes it; what it does not name keeps its default.
export function sessionOptions(session) {
  const named = session ?? {};
  const { optimization = "all", arena = true, memory_pattern = true, prepacking = true } = named;
  if (!Object.hasOwn(LEVELS, optimization)) {
    throw new Error(`manifest.json asks for an unknown optimization, ${optimization}`);
  }
  const options = {
    executionProviders: ["wasm"],
    graphOptimizationLevel: LEVELS[optimization],
    enableCpuMemArena: arena,
    enableMemPattern: memory_pattern,
    logSeverityLevel: 4, // what goes wrong arrives as an exception
  };
  return prepacking ? options : { ...options, extra: { session: { disable_prepacking: "1" } } };
}

// The weights that lie in a file of their own, under the name that the graph knows them by.
export function externalData(weights, bytes) {
  return weights ? { externalData: [{ path: weights.split("/").at(-1), data: bytes }] } : {};
}

// What the model takes for one text; one of fixed length is filled up with `padding`.
export function feeds(runtime, session, ids, types, padding) {
  const length = fixedLength(session) ?? ids.length;
  if (ids.length > length) throw new Error(`the model reads ${length} tokens, not ${ids.length}`);
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

// Opens the model; `files` holds its bytes by name.
export async function openModel(manifest, files, runtime) {
  const { graph, weights } = modelFiles([...files.keys()]);
  const options = {
    ...sessionOptions(manifest.session),
    ...externalData(weights, files.get(weights)),
  };
  const start = performance.now();
  const session = await runtime.InferenceSession.create(files.get(graph), options);
  const ms = performance.now() - start;
  const known = ["input_ids", "attention_mask", "token_type_ids"];
  const foreign = session.inputNames.filter((name) => !known.includes(name));
  if (foreign.length > 0) {
    throw new Error(`${graph} asks for ${foreign.join(", ")}, which this app does not know`);
  }
  return { runtime, session, ms };
}

// Answers one text, from token ids to logits; `ms` is the model's own time.
export async function run({ runtime, session }, ids, types, padding) {
  const given = feeds(runtime, session, ids, types, padding);
  const start = performance.now();
  const { logits } = await session.run(given, ["logits"]);
  return { logits: Array.from(logits.data, Number), ms: performance.now() - start };
}
