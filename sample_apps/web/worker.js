// Everything that takes time, away from the page, so that typing never waits: checks the model,
// opens it, answers texts and replays the golden ones. One job at a time, in the order they came.

import { Refusal, parse, parseApp } from "./checks.js";
import { answer, judgeText, probabilities, quantile, scoreRange } from "./meaning.js";
import { openModel as open, run } from "./model.js";
import { fromNetwork, lookForNewer, openModel as read } from "./store.js";
import { Tokenizer } from "./tokenizer.js";
import { Unicode } from "./unicode.js";

const RUNTIME = "./vendor/ort.wasm.bundle.min.mjs";
const WARM_UP = 5;

let here = null; // the open app

async function startRuntime(threads) {
  const start = performance.now();
  const runtime = await import(RUNTIME);
  runtime.env.logLevel = "fatal";
  runtime.env.wasm.numThreads = threads;
  // the first session starts the runtime too, and that is not the model's: this one is refused
  await runtime.InferenceSession.create(new Uint8Array(1)).catch(() => {});
  return { runtime, ms: performance.now() - start };
}

async function readTokenizer(files) {
  const unicode = await (await fetch("./unicode.txt")).text();
  return new Tokenizer(parse("tokenizer.json", files.get("tokenizer.json")), new Unicode(unicode));
}

async function start({ threads, offline }, tell) {
  const begun = performance.now();
  const app = parseApp(await fromNetwork("app.json"));
  const starting = startRuntime(threads); // the largest part, and it needs none of the model
  starting.catch(() => {});
  const found = await read(app, offline, tell);
  const [started, tokenizer] = await Promise.all([starting, readTokenizer(found.files)]);
  tell({ stage: "opening" });
  const model = await open(found.manifest, found.files, started.runtime);
  const golden = parse("golden.json", found.files.get("golden.json"));
  const config = parse("config.json", found.files.get("config.json"));
  here = { app, ...found, tokenizer, model, golden, padding: config.pad_token_id ?? 0, memory: 0 };
  return {
    app,
    digest: found.digest,
    manifest: found.manifest,
    kept: found.kept,
    golden: { texts: golden.texts, pairs: golden.pairs ?? null, labels: golden.labels },
    range: found.manifest.task.kind === "regression" ? scoreRange(golden) : null,
    threads: started.runtime.env.wasm.numThreads,
    runtime: started.runtime.env.versions.web,
    runtime_ms: started.ms,
    load_ms: model.ms,
    ready_ms: performance.now() - begun,
  };
}

async function ask({ text, pair }) {
  const { manifest, model, padding, tokenizer } = here;
  const begun = performance.now();
  const { ids, types } = tokenizer.encode(text, pair ?? null);
  const { logits } = await run(model, ids, types, padding);
  const ms = performance.now() - begun;
  return {
    ms,
    logits,
    tokens: ids.length,
    full: ids.length >= manifest.max_length,
    answer: answer(logits, manifest.task),
    probabilities: probabilities(logits, manifest.task.kind),
  };
}

async function golden({ index }) {
  const { golden: all, manifest, model, padding, tokenizer } = here;
  const { ids, types } = tokenizer.encode(all.texts[index], all.pairs?.[index] ?? null);
  const { logits, ms } = await run(model, ids, types, padding);
  const wanted = { ids: all.input_ids[index], logits: all.logits[index] };
  const judged = judgeText({ ids, logits }, wanted, manifest.task, all);
  return { ...judged, ms, answer: answer(logits, manifest.task) };
}

// Times of whole answers, from text to logits, over texts of the task itself.
async function latency({ runs, texts }) {
  const times = [];
  for (let turn = -WARM_UP; turn < runs; turn += 1) {
    const at = (turn + WARM_UP) % Math.min(texts, here.golden.texts.length);
    const { ms } = await ask({ text: here.golden.texts[at], pair: here.golden.pairs?.[at] });
    if (turn >= 0) times.push(ms);
  }
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95), runs };
}

const readme = () => new TextDecoder().decode(here.files.get("README.md") ?? new Uint8Array());
const newer = () => lookForNewer(here.app, here.digest);

const JOBS = { start, ask, golden, latency, readme, newer };
let last = Promise.resolve();

self.onmessage = ({ data: { id, job, given } }) => {
  last = last.then(async () => {
    const tell = (note) => self.postMessage({ id, note });
    try {
      self.postMessage({ id, value: await JOBS[job](given, tell) });
    } catch (error) {
      const message = String(error?.message ?? error);
      self.postMessage({ id, error: { message, refused: error instanceof Refusal } });
    }
  });
};
