// The page: hands texts to the worker and shows what comes back.

import { judge, quantile } from "./meaning.js";
import { NOTHING, prepare, threads } from "./offline.js";
import { asJson, share } from "./share.js";
import { byId, say, showAnswer, showDevice, showExamples } from "./views.js";
import { showGolden, showJudged, showModel } from "./views.js";

const QUIET = 250; // ms without a key before a text is answered
const EXAMPLES = 4;
const USUAL = 16; // golden texts of the task itself, which come first
const RUNS = 100; // answers that are timed
const WARM_UP = 5; // answers before those

const query = new URLSearchParams(location.search);
// someone opened the page to see its self-test pass: it reports, keeps nothing, never reloads
const checking = location.hash === "#check" || query.has("check");
let state = null; // what the worker said of the model
let shown = null; // the result on the screen: { asked, found }
let asks = 0;
let standing = ["busy", ""]; // what the status says, but for a text that could not be answered
const device = { times: null, memory: null, offline: null }; // what is measured bit by bit

// --- the worker ---------------------------------------------------------------------------------

const worker = new Worker("./worker.js", { type: "module" });
const waiting = new Map();
let jobs = 0;
let broken = null; // why the worker runs no more

function ask(job, given = {}, note = () => {}) {
  if (broken) return Promise.reject(broken);
  jobs += 1;
  worker.postMessage({ id: jobs, job, given });
  return new Promise((resolve, reject) => waiting.set(jobs, { resolve, reject, note }));
}

worker.onmessage = ({ data: { id, value, error, note } }) => {
  const { resolve, reject, note: tell } = waiting.get(id);
  if (note) tell(note);
  else waiting.delete(id);
  if (error) reject(Object.assign(new Error(error.message), { refused: error.refused }));
  else if (!note) resolve(value);
};
worker.onerror = (event) => {
  // one that did not arrive says nothing, nor does one that is too new for the browser
  const unread = "a script could not be loaded: is there a network, and is this browser new?";
  broken = Object.assign(new Error(event.message || unread), { refused: !event.message });
  for (const { reject } of waiting.values()) reject(broken);
};

// --- tabs ---------------------------------------------------------------------------------------

const tabs = [...byId("tabs").children];

function show(tab) {
  for (const one of tabs) {
    const on = one === tab;
    one.setAttribute("aria-selected", String(on));
    one.tabIndex = on ? 0 : -1;
    byId(one.getAttribute("aria-controls")).hidden = !on;
  }
  window.scrollTo(0, 0);
}

function moveTab(event) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  const at = (tabs.indexOf(event.target) + by + tabs.length) % tabs.length;
  tabs[at].focus();
  show(tabs[at]);
}

function stand(mood, text) {
  standing = [mood, text];
  say("status", mood, text);
}

// --- answering ----------------------------------------------------------------------------------

async function answer() {
  const asked = { text: byId("text").value };
  if (state.manifest.task.pair) asked.pair = byId("pair").value;
  asks += 1;
  const mine = asks;
  try {
    const found = await ask("ask", asked);
    if (mine !== asks) return; // the text has changed since
    shown = { asked, found };
    showAnswer(found, state);
    byId("share").disabled = false;
    say("status", ...standing);
  } catch (error) {
    if (mine !== asks) return;
    noAnswer();
    const what = `This text was not answered (${error.message})`;
    say("status", "bad", `${what}: try another, or reload the page`);
  }
}

function noAnswer() {
  byId("result").hidden = true;
  byId("share").disabled = true;
}

let pause = 0;
function answerSoon() {
  clearTimeout(pause);
  const empty = byId("text").value.trim() === "";
  if (!empty) {
    pause = setTimeout(answer, QUIET);
    return;
  }
  asks += 1; // an answer that is on its way is to nothing now
  noAnswer();
  say("status", ...standing);
}

function choose(index) {
  byId("text").value = state.golden.texts[index];
  if (state.golden.pairs) byId("pair").value = state.golden.pairs[index];
  window.scrollTo({ top: 0 });
  answer();
}

// --- the self-test ------------------------------------------------------------------------------

async function memoryHere() {
  try {
    const measured = await performance.measureUserAgentSpecificMemory();
    return measured.bytes;
  } catch {
    return performance.memory?.usedJSHeapSize ?? 0;
  }
}

function tell(measured) {
  Object.assign(device, measured);
  showDevice(state, device);
}

// Times of whole answers, from text to logits, over texts of the task itself. Each is asked for
// alone, so that a text that somebody types goes in between.
async function latency() {
  const { texts, pairs } = state.golden;
  const times = [];
  for (let turn = -WARM_UP; turn < RUNS; turn += 1) {
    const at = (turn + WARM_UP) % Math.min(USUAL, texts.length);
    const { ms } = await ask("ask", { text: texts[at], pair: pairs?.[at] });
    if (turn >= 0) times.push(ms);
  }
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95), runs: RUNS };
}

async function selfTest() {
  byId("again").disabled = true;
  const { texts, pairs, labels } = state.golden;
  showGolden(texts, pairs, labels);
  const results = [];
  for (const index of texts.keys()) {
    results.push(await ask("golden", { index }));
    showJudged(index, results[index]);
    say("verdict", "busy", `${index + 1} of ${texts.length} texts …`);
  }
  const verdict = judge(results);
  say("verdict", verdict.passed ? "good" : "bad", verdict.sentence);
  const words = verdict.passed ? "Ready: self-test passed" : "Self-test failed: do not trust it here";
  stand(verdict.passed ? "good" : "bad", words);
  const times = await latency();
  tell({ times, memory: null });
  byId("again").disabled = false;
  report(verdict.passed ? "passed" : "failed", verdict.sentence, { ...verdict, results, times });
  // a browser may take a minute to tell, and nobody waits for it
  memoryHere().then((memory) => tell({ memory }));
}

async function testAgain() {
  try {
    await selfTest();
  } catch (error) {
    const sentence = `The self-test stopped (${error.message}): run it again, or reload the page`;
    say("verdict", "bad", sentence);
    stand("bad", sentence);
    byId("again").disabled = false;
    report("failed", sentence);
  }
}

// For whoever opened the page to see it pass.
function report(outcome, sentence, more = {}) {
  const { golden, manifest, ...rest } = state ?? {};
  const texts = golden?.texts ?? [];
  globalThis.kdcReport = { outcome, sentence, ...more, ...rest, texts, isolated: crossOriginIsolated };
  document.documentElement.dataset.selftest = outcome;
  if (!checking) return;
  fetch("answer", { method: "POST", body: JSON.stringify(globalThis.kdcReport) }).catch(() => {});
}

// --- beginning ----------------------------------------------------------------------------------

function refuse(error) {
  const sentence = error.refused
    ? error.message
    : `this browser cannot run the model: ${error.message}`;
  say("status", "bad", "Refused");
  byId("refused").textContent = `Refused: ${sentence}.`;
  byId("refused").hidden = false;
  byId("progress").hidden = true;
  byId("main").hidden = true;
  byId("tabs").hidden = true;
  report("refused", sentence);
}

function offer(sentence, act) {
  const button = byId("update").querySelector("button");
  if (act === null && button.onclick !== null) return; // what can be taken is not taken back
  byId("update").querySelector("span").textContent = sentence;
  button.onclick = act;
  button.hidden = act === null;
  byId("update").hidden = false;
}

function progress({ stage, done, total }) {
  if (stage === "checking") byId("progress").value = done / total;
  say("status", "busy", stage === "opening" ? "Opening the model …" : "Checking the model …");
}

function listen() {
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    answer();
  });
  for (const id of ["text", "pair"]) byId(id).addEventListener("input", answerSoon);
  byId("share").addEventListener("click", () =>
    share(asJson(state, shown.asked, shown.found), state.app.name),
  );
  byId("again").addEventListener("click", testAgain);
  for (const tab of tabs) tab.addEventListener("click", () => show(tab));
  byId("tabs").addEventListener("keydown", moveTab);
}

function open() {
  const { task } = state.manifest;
  byId("second").hidden = !task.pair;
  if (task.pair) byId("text-label").textContent = "First text";
  const { texts, pairs } = state.golden;
  const places = [...texts.keys()].filter((at) => texts[at].trim() !== "").slice(0, EXAMPLES);
  showExamples(places, (at) => (pairs ? `${texts[at]} · ${pairs[at]}` : texts[at]), choose);
  showModel(state);
  tell({});
  stand("good", "Ready");
  for (const id of ["main", "tabs"]) byId(id).hidden = false;
  byId("progress").hidden = true;
}

async function main() {
  if (checking) fetch("alive").catch(() => {}); // left open: it ends when this page does
  const offered = (act) => offer("A newer version is here.", act);
  const offline = checking ? NOTHING : await prepare(offered);
  if (offline === null) return;
  const given = { threads: threads(Number(query.get("threads")) || null), offline: offline.keeps };
  state = await ask("start", given, progress);
  listen();
  open();
  offline.installed.then((is) => tell({ offline: is && state.kept }));
  await selfTest();
  byId("card").textContent = await ask("readme");
  if (!offline.keeps) return;
  const { state: found, sentence } = await ask("newer");
  if (found === "ready") offer("A newer model is here.", () => location.reload());
  if (found === "refused") offer(`Another model was offered and refused: ${sentence}.`, null);
}

if (document.documentElement.dataset.selftest !== "refused") main().catch(refuse);
