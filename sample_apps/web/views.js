// What the page shows. Names, labels and texts are foreign: they become text, never markup.

export const byId = (id) => document.getElementById(id);

export function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export function size(bytes) {
  if (bytes < 1e3) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

const percent = (share, digits) => `${(100 * share).toFixed(digits)} %`;
const milliseconds = (ms) => `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;

export function say(id, state, text) {
  byId(id).dataset.state = state;
  if (byId(id).textContent !== text) byId(id).textContent = text; // else it would be read out again
}

function list(id, facts) {
  const pairs = facts.filter(([, value]) => value !== null && value !== undefined);
  const parts = pairs.flatMap(([name, value]) => [make("dt", name), make("dd", String(value))]);
  byId(id).replaceChildren(...parts);
}

// --- the answer to one text ---------------------------------------------------------------------

const SHOWN = 6; // bars; the rest of a hundred labels says nothing

function headline(found, task) {
  if (task.kind === "regression") return found.answer.toFixed(3);
  if (task.kind === "multi-label") return found.answer.join(", ") || "none of the labels";
  return found.answer;
}

// A share of the width, and the number that goes with it.
function bar(label, share, text, strong) {
  const row = make("li", "", strong ? { class: "strong" } : {});
  const track = make("span", "", { class: "track", "aria-hidden": "true" });
  const fill = make("span", "", { class: "fill" });
  fill.style.width = `${100 * Math.max(0, Math.min(1, share))}%`;
  track.append(fill);
  row.append(make("span", label, { class: "name", dir: "auto" }));
  row.append(make("span", text, { class: "number" }), track);
  return row;
}

function bars(found, task, range) {
  if (task.kind === "regression") {
    const [low, high] = range;
    const label = `on the golden texts' range, ${low} to ${high}`;
    return [bar(label, (found.answer - low) / (high - low || 1), found.answer.toFixed(3), true)];
  }
  const rows = found.probabilities.map((chance, at) => ({ chance, label: task.labels[at] }));
  const holds = ({ chance, label }) =>
    task.kind === "multi-label" ? chance > 0.5 : label === found.answer;
  const sorted = rows.sort((one, other) => other.chance - one.chance).slice(0, SHOWN);
  return sorted.map((row) => bar(row.label, row.chance, percent(row.chance, 1), holds(row)));
}

export function showAnswer(found, { manifest, range, threads }) {
  byId("answer").textContent = headline(found, manifest.task);
  byId("bars").replaceChildren(...bars(found, manifest.task, range));
  const cut = found.cut ? `, cut at ${found.tokens}` : "";
  const several = threads === 1 ? "1 thread" : `${threads} threads`;
  const tokens = `${found.tokens} tokens${cut}`;
  byId("measure").textContent = `${milliseconds(found.ms)}, ${tokens}, ${several}`;
  byId("result").hidden = false;
}

export function showExamples(places, text, choose) {
  const rows = places.map((at) => {
    const button = make("button", "", { type: "button", dir: "auto" });
    button.append(make("span", text(at)));
    button.addEventListener("click", () => choose(at));
    const row = make("li", "");
    row.append(button);
    return row;
  });
  byId("examples").replaceChildren(...rows);
}

// --- the self-test ------------------------------------------------------------------------------

const WORDS = { exact: "pass", near: "pass", wrong: "fail" };

export function showGolden(texts, pairs, labels) {
  const rows = texts.map((text, index) => {
    const row = make("li", "", { "data-state": "busy" });
    const shown = pairs ? `${text}\n${pairs[index]}` : text;
    const blank = shown.trim() === "";
    row.append(make("p", blank ? "(blank)" : shown, { class: blank ? "blank" : "text", dir: "auto" }));
    row.append(make("p", said(labels[index]), { class: "label", dir: "auto" }));
    row.append(make("p", "waiting", { class: "state" }));
    return row;
  });
  byId("golden").replaceChildren(...rows);
}

function said(label) {
  if (typeof label === "number") return label.toFixed(3);
  return [label].flat().join(", ") || "(no label)";
}

export function showJudged(index, { state, off, wrong, answer }) {
  const row = byId("golden").children[index];
  row.dataset.state = state;
  const why = {
    exact: "",
    near: `, rounded: off by ${off.toFixed(3)}`,
    wrong: `: other ${wrong.join(" and ")}${/label|score/.test(wrong) ? `, ${said(answer)}` : ""}`,
  };
  row.querySelector(".state").textContent = WORDS[state] + why[state];
}

const OFFLINE = { null: "not yet", true: "yes", false: "no: not all of it could be kept here" };

// `memory` in bytes; null while it is being measured, 0 where the browser does not tell. `offline`
// is null for as long as nobody knows.
export function showDevice(state, { times, memory, offline }) {
  const told = { null: "measuring …", 0: "this browser does not tell" }[memory] ?? size(memory);
  const several = state.threads === 1 ? "one" : String(state.threads);
  list("device", [
    ["Runtime", `onnxruntime-web ${state.runtime}, started in ${milliseconds(state.runtime_ms)}`],
    ["Model opened in", milliseconds(state.load_ms)],
    ["Ready after", milliseconds(state.ready_ms)],
    ["Threads", `${several}${crossOriginIsolated ? "" : " (the page is not isolated)"}`],
    ["Answer, median", times && milliseconds(times.p50)],
    ["Answer, 95 % within", times && `${milliseconds(times.p95)} (${times.runs} runs)`],
    ["Memory", told],
    ["Opens offline", OFFLINE[offline]],
    ["Browser", navigator.userAgent],
  ]);
}

// --- the model's card ---------------------------------------------------------------------------

const KINDS = { "multi-label": "multi-label classification" };

export function showModel({ manifest, digest, app }) {
  const { files, task, metrics, parent } = manifest;
  const bytes = Object.entries(files).map(([name, entry]) => [name, entry.bytes]);
  const sum = (entries) => entries.reduce((total, [, count]) => total + count, 0);
  const of = task.pair ? "pairs of texts" : "texts";
  list("facts", [
    ["Task", `${task.name}: ${KINDS[task.kind] ?? task.kind} of ${of}`],
    ["Labels", task.labels.join(", ") || null],
    ["Quantization", manifest.quantization],
    ["Model", size(sum(bytes.filter(([name]) => name.startsWith("onnx/"))))],
    ["All files", size(sum(bytes))],
    ["Longest text", `${manifest.max_length} tokens`],
    ["Signature", app.public_key ? "checked with this app's key" : "none asked for"],
    ["manifest.json sha256", digest],
    ...Object.entries(parent ?? {}).map(([name, sha]) => [`${name} sha256`, sha]),
  ]);
  showScores(metrics ?? {});
  byId("files").replaceChildren(
    ...bytes.map(([name, count]) => {
      const row = make("li", "");
      row.append(make("span", name, { class: "name" }));
      row.append(make("span", size(count), { class: "number" }));
      return row;
    }),
  );
}

function showScores(metrics) {
  const scores = Object.entries(metrics).filter(([, score]) => typeof score?.value === "number");
  const rows = scores.map(([name, score]) => {
    const row = make("tr", "");
    row.append(make("th", name, { scope: "row" }));
    row.append(make("td", percent(score.value, 2), { class: "number" }));
    const [low, high] = score.interval ?? [];
    const range = low === undefined ? "" : `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`;
    row.append(make("td", range, { class: "number" }));
    return row;
  });
  byId("scores").tBodies[0].replaceChildren(...rows);
  const last = scores.at(-1)?.[1];
  byId("scored-on").textContent = last ? `${last.metric} on ${last.n} dev texts` : "";
}
