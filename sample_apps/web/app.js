"use strict";

// The page trusts nothing before its digest is checked: manifest.json names the digest of
// assets/manifest.json, which names the digest of every other file. What is shown comes from the
// very bytes that were checked.

const ASSETS = "assets/";
const KEPT = /^(golden\.json|config\.json|onnx\/[^/]+\.(onnx|onnx_data|ort))$/;

class Refusal extends Error {}

const byId = (id) => document.getElementById(id);

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function size(bytes) {
  if (bytes < 1e3) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

const percent = (share, digits) => (100 * share).toFixed(digits);

// --- reading and checking ---------------------------------------------------------------------

async function read(path) {
  let answer;
  try {
    answer = await fetch(path.split("/").map(encodeURIComponent).join("/"));
  } catch {
    throw new Refusal(`${path} could not be loaded`);
  }
  if (!answer.ok) throw new Refusal(`${path} is missing (HTTP ${answer.status})`);
  return answer.arrayBuffer();
}

async function check(path, bytes, sha256) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex !== sha256) throw new Refusal(`${path} does not match its sha256`);
}

function parse(path, bytes, format) {
  let value;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new Refusal(`${path} is not valid JSON`);
  }
  if (format && value.format !== format) throw new Refusal(`${path} is not of format ${format}`);
  return value;
}

function refuseWithoutWebCrypto() {
  if (location.protocol === "file:") {
    throw new Refusal(
      "a browser does not let a page opened from a file read its model: " +
        "serve this folder (python3 -m http.server) and open http://localhost:8000",
    );
  }
  if (!globalThis.crypto?.subtle) {
    throw new Refusal("digests can be checked over https or on localhost only: open the page there");
  }
}

async function readManifest() {
  const app = parse("manifest.json", await read("manifest.json"), "kdc.app/1");
  const path = `${ASSETS}manifest.json`;
  const bytes = await read(path);
  await check(path, bytes, app.parent.sha256);
  return parse(path, bytes, "kdc.phone/1");
}

async function checkFiles(manifest) {
  const names = Object.keys(manifest.files).sort();
  const total = names.reduce((sum, name) => sum + manifest.files[name].bytes, 0);
  const rows = new Map(names.map((name) => [name, fileRow(name, manifest.files[name].bytes)]));
  byId("files").replaceChildren(...rows.values());
  const kept = new Map(); // what is used below; the rest is only checked
  let done = 0;
  for (const name of names) {
    try {
      const bytes = await read(ASSETS + name);
      await check(ASSETS + name, bytes, manifest.files[name].sha256);
      if (KEPT.test(name)) kept.set(name, new Uint8Array(bytes));
    } catch (error) {
      mark(rows.get(name), "bad", "refused");
      throw error;
    }
    mark(rows.get(name), "good", "intact");
    done += manifest.files[name].bytes;
    byId("progress").value = done / total;
  }
  return { kept, total, count: names.length };
}

function parseKept(kept, name) {
  if (!kept.has(name)) throw new Refusal(`${ASSETS}${name} is missing`);
  return parse(ASSETS + name, kept.get(name));
}

// --- showing ----------------------------------------------------------------------------------

function fileRow(name, bytes) {
  const row = make("li", "");
  row.append(make("span", name, { class: "name" }), make("span", size(bytes), { class: "size" }));
  row.append(make("span", "waiting", { class: "state" }));
  return row;
}

function mark(row, state, word) {
  row.dataset.state = state;
  row.querySelector(".state").textContent = word;
}

function verdict(state, text) {
  byId("verdict").dataset.state = state;
  byId("verdict").textContent = text;
  byId("progress").hidden = true;
}

const KINDS = { "multi-label": "multi-label classification" };

function showFacts(manifest, total) {
  const task = manifest.task;
  const { graph, weights } = modelFiles(Object.keys(manifest.files));
  const modelBytes = manifest.files[graph].bytes + (weights ? manifest.files[weights].bytes : 0);
  const facts = [
    ["Task", `${KINDS[task.kind] ?? task.kind} of ${task.pair ? "pairs of texts" : "texts"}`],
    ["Quantization", manifest.quantization],
    ["Model", size(modelBytes)],
    ["All files", size(total)],
    ["Longest text", `${manifest.max_length} tokens`],
  ];
  byId("title").textContent = task.name;
  document.title = `${task.name}: kdc model`;
  byId("facts").replaceChildren(
    ...facts.flatMap(([name, value]) => [make("dt", name), make("dd", value)]),
  );
  byId("labels").hidden = task.labels.length === 0;
  byId("labels").querySelector("summary").textContent = `${task.labels.length} labels`;
  byId("labels").querySelector("ul").replaceChildren(
    ...task.labels.map((label) => make("li", label, { dir: "auto" })),
  );
}

function showScores(metrics) {
  const scores = Object.entries(metrics).filter(([, score]) => typeof score?.value === "number");
  const rows = scores.map(([name, score]) => {
    const row = make("tr", "");
    const [low, high] = score.interval.map((end) => percent(end, 1));
    row.append(make("th", name, { scope: "row" }));
    row.append(make("td", `${percent(score.value, 2)} %`, { class: "number" }));
    row.append(make("td", `${low} to ${high}`, { class: "number" }));
    return row;
  });
  byId("scores").tBodies[0].replaceChildren(...rows);
  const last = scores.at(-1)?.[1];
  byId("scored-on").textContent = last ? `${last.metric} on ${last.n} dev texts` : "";
}

function showGolden(golden) {
  const rows = golden.texts.map((text, index) => {
    const row = make("li", "");
    const shown = golden.pairs ? `${text}\n${golden.pairs[index]}` : text;
    const blank = shown.trim() === "";
    row.append(make("p", blank ? "(blank)" : shown, { class: blank ? "blank" : "text", dir: "auto" }));
    const answer = [golden.labels[index]].flat().join(", ") || "(no label)";
    row.append(make("p", answer, { class: "label", dir: "auto" }));
    return row;
  });
  byId("golden").replaceChildren(...rows);
}

// A model that this browser cannot run is still intact, so this says why and refuses nothing.
async function run(manifest, kept, golden) {
  const note = byId("here");
  try {
    const runtime = await findRuntime();
    if (!runtime) {
      note.textContent = NO_RUNTIME;
      return;
    }
    const padding = parseKept(kept, "config.json").pad_token_id ?? 0;
    const model = await openModel(manifest, kept, runtime);
    const answers = await askGolden(model, golden, padding);
    const { state, sentence } = judge(answers, golden, manifest.task.labels, model.ms);
    note.dataset.state = state;
    note.textContent = sentence;
  } catch (error) {
    note.dataset.state = "bad";
    note.textContent = `This browser cannot run the model: ${error.message ?? error}`;
  }
}

async function main() {
  try {
    refuseWithoutWebCrypto();
    const manifest = await readManifest();
    const { kept, total, count } = await checkFiles(manifest);
    const golden = parseKept(kept, "golden.json");
    showFacts(manifest, total);
    showScores(manifest.metrics);
    showGolden(golden);
    byId("model").hidden = false;
    verdict("good", `All ${count} files are intact`);
    await run(manifest, kept, golden);
  } catch (error) {
    const known = error instanceof Refusal;
    verdict("bad", `Refused: ${known ? error.message : `the app's files are damaged (${error.message})`}`);
  }
}

main();
