// What is checked before any byte of a model is used: who signed it, its digests, its format.

export class Refusal extends Error {}

export const ASSETS = "assets/";
const PHONE_FORMAT = "kdc.phone/1";
const APP_FORMAT = "kdc.app-config/1";
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
  return app;
}

// Checks that the holder of the app's key signed these very bytes of manifest.json. Returns the
// signature, or null for an app without a key.
export async function checkSignature(app, manifest, readSignature) {
  if (app.public_key === null) return null;
  const what = `${ASSETS}manifest.json`;
  let signature;
  try {
    signature = await readSignature();
  } catch {
    throw new Refusal(`${what} is not signed, and this app takes signed models only`);
  }
  let key;
  try {
    const raw = Uint8Array.from(atob(app.public_key), (letter) => letter.charCodeAt(0));
    key = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  } catch {
    throw new Refusal("this browser cannot check the model's signature (Ed25519): update it");
  }
  const holds = await crypto.subtle.verify("Ed25519", key, signature, manifest);
  require(holds, `${what} is not signed with this app's key: it was changed, or is another's`);
  return signature;
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
