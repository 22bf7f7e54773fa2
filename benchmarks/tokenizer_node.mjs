// Runs a JavaScript tokenizer on parity vectors: lines of JSON in, lines of JSON out.
// node tokenizer_node.mjs MODULE TOKENIZER_JSON [UNICODE_TXT]; without the last, MODULE is
// @huggingface/tokenizers, which tells ids only.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [module, tokenizerFile, unicodeFile] = process.argv.slice(2);
const { Tokenizer } = await import(pathToFileURL(module).href);
const fields = JSON.parse(readFileSync(tokenizerFile, "utf8"));
const encode = unicodeFile ? await ours() : huggingFace();

async function ours() {
  const { Unicode } = await import(new URL("./unicode.js", pathToFileURL(module)).href);
  const tokenizer = new Tokenizer(fields, new Unicode(readFileSync(unicodeFile, "utf8")));
  return (text, pair) => tokenizer.encode(text, pair);
}

// It does not truncate: only texts that fit are held against it, the others answer as expected.
function huggingFace() {
  const tokenizer = new Tokenizer(fields, {});
  const most = fields.truncation?.max_length ?? Infinity;
  return (text, pair, wanted) => {
    const { ids } = tokenizer.encode(text, { text_pair: pair });
    return { ids: ids.length <= most ? ids : wanted };
  };
}

const answers = [];
for await (const line of createInterface({ input: process.stdin })) {
  const { text, pair = null, ids } = JSON.parse(line);
  answers.push(JSON.stringify(encode(text, pair, ids)));
  if (answers.length === 1000) process.stdout.write(`${answers.splice(0).join("\n")}\n`);
}
if (answers.length > 0) process.stdout.write(`${answers.join("\n")}\n`);
