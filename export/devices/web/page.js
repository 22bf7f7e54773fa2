// Does one task in this browser: opens models with ONNX Runtime Web, runs texts through them, one
// after another, and posts what it found. The task, the models and the runtime lie beside it.

const RUNTIME = "./ort.wasm.bundle.min.mjs";
const OUTPUT = "logits";
const CLOCK_READS = 200; // steps of the clock to see its smallest one
// an empty function with one instruction on vectors of 128 bits
const SIMD = Uint8Array.from(
  "0 97 115 109 1 0 0 0 1 5 1 96 0 1 123 3 2 1 0 10 10 1 8 0 65 0 253 15 253 98 11".split(" "),
);

let workers = 0;
self.Worker = class extends Worker {
  constructor(...given) {
    super(...given);
    workers += 1;
  }
};

async function load(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name} is not served (${response.status})`);
  return response;
}

// Lets `work` fail as what went wrong with one model: `stage` is "open" or "run".
async function attempt(stage, model, tokens, work) {
  try {
    return await work();
  } catch (error) {
    throw { stage, model, tokens, message: String(error?.message ?? error) };
  }
}

async function startRuntime(threads) {
  const start = performance.now();
  const runtime = await import(RUNTIME);
  runtime.env.logLevel = "fatal";
  runtime.env.wasm.numThreads = threads;
  // the first session starts the runtime too, and that is not the model's: this one is refused
  await runtime.InferenceSession.create(new Uint8Array(1)).catch(() => {});
  return { runtime, ms: performance.now() - start };
}

async function openModel(runtime, index, { weights, options, fixed, padding, turns, types }) {
  const bytes = async (part) =>
    new Uint8Array(await (await load(`models/${index}/${part}`)).arrayBuffer());
  const graph = await bytes(0);
  const externalData = [];
  for (const [at, path] of weights.entries()) {
    externalData.push({ path, data: await bytes(at + 1) });
  }
  const start = performance.now();
  const session = await attempt("open", index, null, () =>
    runtime.InferenceSession.create(graph, { ...options, externalData }),
  );
  const load_ms = performance.now() - start;
  return { index, runtime, session, load_ms, fixed, padding, turns, types, next: 0, wall_ms: [] };
}

// What the model takes for one text; one of a single length is filled up with `padding`.
function feeds({ runtime, session, fixed, padding }, ids, types) {
  const length = fixed ?? ids.length;
  if (length > ids.length && !session.inputNames.includes("attention_mask")) {
    throw new Error(`it reads exactly ${length} tokens and no attention_mask`);
  }
  const given = {
    input_ids: (place) => ids[place] ?? padding,
    attention_mask: (place) => (place < ids.length ? 1 : 0),
    token_type_ids: (place) => types?.[place] ?? 0,
  };
  const tensor = (value) => {
    const row = BigInt64Array.from({ length }, (_, place) => BigInt(value(place)));
    return new runtime.Tensor("int64", row, [1, length]);
  };
  const names = session.inputNames.filter((name) => Object.hasOwn(given, name));
  return Object.fromEntries(names.map((name) => [name, tensor(given[name])]));
}

// Answers one text, from token ids to logits.
function run(model, ids, types) {
  return attempt("run", model.index, ids.length, async () => {
    const { logits } = await model.session.run(feeds(model, ids, types), [OUTPUT]);
    if (logits.dims.length !== 2 || logits.dims[0] !== 1) {
      throw new Error(`its logits have the shape (${logits.dims}), wanted (1, classes)`);
    }
    if (logits.data instanceof Uint16Array) {
      throw new Error("its logits are float16, which this browser is too old for");
    }
    return logits.data;
  });
}

// The texts of the model's next turn; all but the last are not timed.
function nextTurn(model) {
  const turn = model.turns[model.next % model.turns.length];
  model.next += 1;
  return turn;
}

async function timed(model, ids) {
  const start = performance.now();
  await run(model, ids);
  return performance.now() - start;
}

// Runs all of them once, warms each up, then lets them take turns, in a drawn order each round.
async function measure(models, { warm_up, warm_up_seconds, runs, seconds, orders }) {
  for (const model of models) model.first_ms = await timed(model, nextTurn(model).at(-1));
  for (const model of models) {
    const end = performance.now() + warm_up_seconds * 1e3;
    for (let count = 0; count < warm_up && (!count || performance.now() < end); count += 1) {
      await run(model, nextTurn(model).at(-1));
    }
  }
  // a slow model has warmed up with fewer texts: from here on all have the same ones in turn
  for (const model of models) model.next = 1 + warm_up;
  const end = performance.now() + seconds * 1e3;
  for (let round = 0; round < runs && (!round || performance.now() < end); round += 1) {
    for (const index of orders[round % orders.length]) {
      const model = models[index];
      const turn = nextTurn(model);
      for (const ids of turn.slice(0, -1)) await run(model, ids);
      model.wall_ms.push(await timed(model, turn.at(-1)));
    }
  }
  return models.map(({ load_ms, first_ms, wall_ms }) => ({ load_ms, first_ms, wall_ms }));
}

async function answer(model) {
  const logits = [];
  for (const [index, [ids]] of model.turns.entries()) {
    logits.push(Array.from(await run(model, ids, model.types[index]), Number));
  }
  return logits;
}

// The smallest step of the clock, in milliseconds: browsers coarsen it on purpose.
function clockStep() {
  let least = Infinity;
  for (let read = 0; read < CLOCK_READS; read += 1) {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    least = Math.min(least, now - start);
  }
  return least;
}

async function describe(started) {
  const agent = navigator.userAgentData;
  const versions = (await agent?.getHighEntropyValues(["fullVersionList"]))?.fullVersionList;
  const named = versions?.find(({ brand }) => !/not.?a.?brand/i.test(brand));
  return {
    browser: named ? `${named.brand} ${named.version}` : navigator.userAgent,
    runtime_ms: started.ms,
    clock_ms: clockStep(),
    threads: started.runtime.env.wasm.numThreads,
    workers,
    isolated: crossOriginIsolated,
    simd: WebAssembly.validate(SIMD),
    version: started.runtime.env.versions.web,
  };
}

async function work(task) {
  const started = await startRuntime(task.threads);
  if (task.kind === "measure") await fetch("mark", { method: "POST" });
  const models = [];
  for (const [index, model] of task.models.entries()) {
    models.push(await openModel(started.runtime, index, model));
  }
  const found =
    task.kind === "measure"
      ? { models: await measure(models, task) }
      : { logits: await answer(models[0]) };
  return { ...found, where: await describe(started) };
}

async function main() {
  fetch("alive").catch(() => {}); // left open: it ends when this page does, however it ends
  let found;
  try {
    found = await work(await (await load("task")).json());
  } catch (error) {
    found = { error: error?.stage ? error : { stage: "page", message: String(error) } };
  }
  await fetch("answer", { method: "POST", body: JSON.stringify(found) });
}

await main();
