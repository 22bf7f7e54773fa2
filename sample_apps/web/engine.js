// A checked model, opened with all that answering takes: from text to logits and what they mean.

import { Refusal, parse, parseGolden, require } from "./checks.js";
import { answer, judge, judgeText, probabilities, width } from "./meaning.js";
import { openModel, run } from "./model.js";
import { fetchFile } from "./store.js";
import { Tokenizer } from "./tokenizer.js";
import { Unicode } from "./unicode.js";

async function readTokenizer(bytes) {
  const unicode = new TextDecoder().decode(await fetchFile("unicode.txt"));
  const fields = parse("tokenizer.json", bytes);
  try {
    return new Tokenizer(fields, new Unicode(unicode));
  } catch (error) {
    throw new Refusal(error.message);
  }
}

// Opens a model that store.js has checked.
export async function open(found, runtime) {
  const tokenizer = await readTokenizer(found.files.get("tokenizer.json"));
  const golden = parseGolden(found.files.get("golden.json"), found.manifest.task);
  const config = parse("config.json", found.files.get("config.json"));
  const model = await openModel(found.manifest, found.files, runtime);
  return { ...found, tokenizer, model, golden, padding: config?.pad_token_id ?? 0 };
}

export const close = ({ model }) => model.session.release();

async function logitsOf({ manifest, model, padding }, { ids, types }) {
  const { logits, ms } = await run(model, ids, types, padding);
  const wanted = width(manifest.task);
  const told = `the model gives ${logits.length} numbers for a text, and its task has ${wanted}`;
  require(logits.length === wanted, told);
  return { logits, ms };
}

export async function answerText(opened, { text, pair }) {
  const { manifest, tokenizer } = opened;
  const begun = performance.now();
  const encoded = tokenizer.encode(text, pair ?? null);
  const { logits } = await logitsOf(opened, encoded);
  const ms = performance.now() - begun;
  return {
    ms,
    logits,
    tokens: encoded.ids.length,
    cut: encoded.cut,
    answer: answer(logits, manifest.task),
    probabilities: probabilities(logits, manifest.task.kind),
  };
}

// Answers a golden text, and compares.
export async function replay(opened, index) {
  const { golden, manifest, tokenizer } = opened;
  const encoded = tokenizer.encode(golden.texts[index], golden.pairs?.[index] ?? null);
  const { logits, ms } = await logitsOf(opened, encoded);
  const wanted = {
    ids: golden.input_ids[index],
    types: golden.token_type_ids?.[index] ?? encoded.types,
    logits: golden.logits[index],
  };
  const judged = judgeText({ ...encoded, logits }, wanted, manifest.task, golden);
  return { ...judged, ms, answer: answer(logits, manifest.task) };
}

// Opens a model and answers its golden texts. Each step waits for its turn: another model may be
// answering meanwhile.
export async function prove(found, runtime, inTurn) {
  const opened = await inTurn(() => open(found, runtime));
  const results = [];
  try {
    for (const index of opened.golden.texts.keys()) {
      results.push(await inTurn(() => replay(opened, index)));
    }
  } finally {
    await inTurn(() => close(opened));
  }
  require(judge(results).passed, "it does not pass its self-test on this device");
}
