// Everything that takes time, away from the page, so that typing never waits: checks the model,
// opens it, answers texts and replays the golden ones. One thing at a time, in the order they came.

import { Refusal, parseApp } from "./checks.js";
import { answerText, open, prove, replay } from "./engine.js";
import { scoreRange } from "./meaning.js";
import { fromNetwork, lookForNewer, lost, openModel } from "./store.js";

const RUNTIME = "vendor/ort.wasm.bundle.min.mjs";
const WASM = "vendor/ort-wasm-simd-threaded.wasm"; // which the runtime itself loads
// how browsers and the runtime say that a file did not arrive, as opposed to: that it does not run
const LOST = /imported module|module script|NetworkError|fetching of the wasm/;

let app = null; // app.json
let runtime = null;
let here = null; // the open model
let readme = null; // its model card, as bytes

async function startRuntime(threads) {
  const start = performance.now();
  const started = await import(`./${RUNTIME}`).catch((error) => {
    throw LOST.test(error.message) ? lost(RUNTIME) : error;
  });
  started.env.logLevel = "fatal";
  started.env.wasm.numThreads = threads;
  // the first session starts the runtime too, and that is not the model's: this one is refused
  await started.InferenceSession.create(new Uint8Array(1)).catch((error) => {
    if (LOST.test(error.message)) throw lost(WASM);
  });
  return { started, ms: performance.now() - start };
}

async function start({ threads, offline }, tell) {
  const begun = performance.now();
  app = parseApp(await fromNetwork("app.json"));
  const starting = startRuntime(threads); // the largest part, and it needs none of the model
  starting.catch(() => {});
  const opening = async (found) => {
    runtime = (await starting).started;
    tell({ stage: "opening" });
    return open(found, runtime);
  };
  const { files, bytes, ...opened } = await openModel(app, offline, opening, tell);
  here = opened; // the runtime holds the model by now: a second one would stay as long as the page
  readme = files.get("README.md") ?? new Uint8Array();
  const { golden, manifest } = here;
  return {
    app,
    digest: here.digest,
    manifest,
    kept: here.kept,
    golden: { texts: golden.texts, pairs: golden.pairs ?? null, labels: golden.labels },
    range: manifest.task.kind === "regression" ? scoreRange(golden) : null,
    threads: runtime.env.wasm.numThreads,
    runtime: runtime.env.versions.web,
    runtime_ms: (await starting).ms,
    load_ms: here.model.ms,
    ready_ms: performance.now() - begun,
  };
}

const ask = (asked) => answerText(here, asked);
const golden = ({ index }) => replay(here, index);
const card = () => new TextDecoder().decode(readme);
// not one job of its own: a download would keep every text waiting
const newer = () => lookForNewer(app, here, (found) => prove(found, runtime, inTurn));

const JOBS = { start, ask, golden, readme: card };
let last = Promise.resolve();

function inTurn(act) {
  const done = last.then(act);
  last = done.catch(() => {});
  return done;
}

self.onmessage = async ({ data: { id, job, given } }) => {
  const tell = (note) => self.postMessage({ id, note });
  try {
    const value = await (job === "newer" ? newer() : inTurn(() => JOBS[job](given, tell)));
    self.postMessage({ id, value });
  } catch (error) {
    const message = String(error?.message ?? error);
    self.postMessage({ id, error: { message, refused: error instanceof Refusal } });
  }
};
