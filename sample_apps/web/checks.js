// What is checked before any byte of a model is used: who signed it, its digests, its format.

import { verify } from "./ed25519.js";
import { width } from "./meaning.js";

export class Refusal extends Error {}

export const ASSETS = "assets/";
const PHONE_FORMAT = "kdc.phone/1";
const APP_FORMAT = "kdc.app-config/1";
const SIGNATURE_FORMAT = "kdc.signature/1";
const SIGNED = "kdc.model/1"; // what is signed begins with it, so that it is signed as a model
const KINDS = ["classification", "multi-label", "regression"];
const NAME = /^[\w][\w .-]*(\/[\w][\w .-]*)*$/; // no path of it leads out of the folder

export function require(holds, sentence) {
  if (!holds) throw new Refusal(sentence);
}

export async function hex(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function checkDigest(name, bytes, { sha256 }) {
  require((await hex(bytes)) === sha256, `${ASSETS}${name} does not match its sha256`);
}

export function parse(name, bytes) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Refusal(`${ASSETS}${name} is not valid JSON`);
  }
}

// The app's own settings; they come with the page, not with the model.
export function parseApp(bytes) {
  const app = parse("app.json", bytes);
  require(app?.format === APP_FORMAT, `${ASSETS}app.json is not of format ${APP_FORMAT}`);
  const numbered = app.public_key === null || Number.isSafeInteger(app.number);
  require(numbered && Array.isArray(app.task?.labels), `${ASSETS}app.json is damaged`);
  return app;
}

// Checks that the holder of the app's key signed these very bytes of manifest.json, and that the
// model is not older than the one numbered `least`: an old model is signed for ever. Returns the
// signature's file and its number; null for an app without a key, which takes the model that it
// was released with, or the one of digest `kept`, that an earlier release came with, and no other.
export async function checkSignature(app, manifest, readSignature, least, kept) {
  const what = `${ASSETS}manifest.json`;
  const digest = await hex(manifest);
  if (app.public_key === null) {
    const own = [app.manifest_sha256, kept].includes(digest);
    require(own, `${what} is not the one that this app came with`);
    return null;
  }
  let bytes;
  try {
    bytes = await readSignature();
  } catch {
    throw new Refusal(`${what} is not signed, and this app takes signed models only`);
  }
  const { number, signature } = parseSignature(bytes);
  const message = new TextEncoder().encode(`${SIGNED}\n${number}\n${digest}\n`);
  const holds = await verify(fromBase64(app.public_key), message, signature);
  require(holds, `${what} is not signed with this app's key: it was changed, or is another's`);
  const older = `${what} is of an older model, number ${number}, and this app has number ${least}`;
  require(number >= least, older);
  return { bytes, number };
}

function parseSignature(bytes) {
  const name = "manifest.json.sig";
  const { format, number, signature } = parse(name, bytes) ?? {};
  require(format === SIGNATURE_FORMAT, `${ASSETS}${name} is not of format ${SIGNATURE_FORMAT}`);
  const found = fromBase64(signature);
  const sound = Number.isSafeInteger(number) && number > 0 && found.length === 64;
  require(sound, `${ASSETS}${name} is damaged`);
  return { number, signature: found };
}

// The bytes that a text in base64 stands for; none where it is no such text.
function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

// The phone folder's manifest, of whose shape nothing is taken for granted afterwards.
export function parseManifest(bytes) {
  const manifest = parse("manifest.json", bytes);
  const what = `${ASSETS}manifest.json`;
  require(manifest?.format === PHONE_FORMAT, `${what} is of another format than ${PHONE_FORMAT}`);
  const { files, task, max_length } = manifest;
  const entries = Object.entries(files ?? {});
  const sound = ([name, entry]) =>
    NAME.test(name) && typeof entry?.sha256 === "string" && Number.isSafeInteger(entry.bytes);
  require(entries.length > 0 && entries.every(sound), `${what} is damaged: its list of files`);
  const texts = Array.isArray(task?.labels) && task.labels.every((one) => typeof one === "string");
  const labelled = task?.kind === "regression" || task?.labels?.length > 0;
  require(KINDS.includes(task?.kind) && texts && labelled, `${what} is damaged: its task`);
  require(Number.isSafeInteger(max_length) && max_length > 2, `${what} is damaged: its max_length`);
  return manifest;
}

// The app shows its own task's name, and may know what to do with its answers alone.
export function checkTask(app, { task }) {
  const [own, other] = [app.task, task].map(({ name, kind, pair, labels }) =>
    JSON.stringify([name, kind, Boolean(pair), labels.length]),
  );
  const names = `${task.name}, and the app's is ${app.task.name}`;
  require(own === other, `the model is for another task than this app: ${names}`);
}

// The golden answers: as many of everything as there are texts, each of a number for each label.
export function parseGolden(bytes, task) {
  const golden = parse("golden.json", bytes);
  const { texts, pairs, input_ids: ids, token_type_ids: types, logits, labels, tolerance } = golden ?? {};
  const lists = [texts, ids, logits, labels, pairs ?? texts, types ?? ids];
  const count = texts?.length;
  const numbers = (row) => Array.isArray(row) && row.every(Number.isFinite);
  const sound =
    lists.every((list) => Array.isArray(list) && list.length === count) &&
    [texts, pairs ?? []].flat().every((text) => typeof text === "string") &&
    [...ids, ...(types ?? []), ...logits].every(numbers) &&
    Boolean(pairs) === Boolean(task.pair) &&
    count > 0 &&
    tolerance > 0;
  require(sound, `${ASSETS}golden.json is damaged`);
  const fits = logits.every((row) => row.length === width(task));
  require(fits, `${ASSETS}golden.json has other answers than the task's labels: bundle again`);
  return golden;
}
