// The model's files: from this device where they are kept, else from where the page came from.
// Nothing is kept or used before all of it is checked; a newer model takes the place of the older
// one in one step, and only when it is whole.

import { ASSETS, Refusal, checkDigest, checkSignature, hex, parseManifest } from "./checks.js";

const HERE = new URL("./", self.location.href); // several apps may share an origin
const PREFIX = `kdc ${HERE.pathname} model `;
const POINTER = `kdc ${HERE.pathname} current`;
const ADDRESS = new URL(`${ASSETS}current`, HERE).href;
const MANIFEST = "manifest.json";
const SIGNATURE = "manifest.json.sig";

const address = (name) =>
  new URL(ASSETS + name.split("/").map(encodeURIComponent).join("/"), HERE).href;

// Reads one of the app's files over the network; what the browser remembers of it is asked after,
// or files of two models would be mixed.
export async function fromNetwork(name) {
  let answer;
  try {
    answer = await fetch(address(name), { cache: "no-cache" });
  } catch {
    throw new Refusal(`${ASSETS}${name} could not be loaded: is there a network?`);
  }
  if (!answer.ok) throw new Refusal(`${ASSETS}${name} is missing (HTTP ${answer.status})`);
  return new Uint8Array(await answer.arrayBuffer());
}

const fromCache = (cache) => async (name) => {
  const found = await cache.match(address(name));
  if (!found) throw new Refusal(`${ASSETS}${name} is missing on this device`);
  return new Uint8Array(await found.arrayBuffer());
};

// Reads and checks a whole model: { digest, manifest, files }, files by name.
async function load(app, read, tell) {
  const bytes = await read(MANIFEST);
  const signature = await checkSignature(app, bytes, () => read(SIGNATURE));
  const manifest = parseManifest(bytes);
  const entries = Object.entries(manifest.files);
  const total = entries.reduce((sum, [, entry]) => sum + entry.bytes, 0);
  let done = 0;
  const contents = await Promise.all(
    entries.map(async ([name, entry]) => {
      const content = await read(name);
      await checkDigest(name, content, entry);
      done += entry.bytes;
      tell({ stage: "checking", done, total });
      return [name, content];
    }),
  );
  return { digest: await hex(bytes), manifest, bytes, signature, files: new Map(contents) };
}

async function current() {
  const found = await (await caches.open(POINTER)).match(ADDRESS);
  return found ? found.text() : null;
}

// Keeps a checked model on this device, then points at it, then drops the others.
async function keep(model) {
  const name = PREFIX + model.digest;
  const cache = await caches.open(name);
  const files = [[MANIFEST, model.bytes], ...model.files];
  if (model.signature !== null) files.push([SIGNATURE, model.signature]);
  await Promise.all(files.map(([file, bytes]) => cache.put(address(file), new Response(bytes))));
  await (await caches.open(POINTER)).put(ADDRESS, new Response(name));
  const old = (await caches.keys()).filter((one) => one.startsWith(PREFIX) && one !== name);
  await Promise.all(old.map((one) => caches.delete(one)));
}

// The model to use now. What is kept here and fails its checks is dropped and fetched again.
export async function openModel(app, offline, tell) {
  const kept = offline ? await current().catch(() => null) : null;
  let damage = null;
  if (kept !== null) {
    try {
      return { ...(await load(app, fromCache(await caches.open(kept)), tell)), kept: true };
    } catch (error) {
      damage = error;
    }
  }
  let model;
  try {
    model = await load(app, fromNetwork, tell);
  } catch (error) {
    throw damage ?? error;
  }
  const stored = offline && (await keep(model).then(() => true, () => false));
  return { ...model, kept: stored };
}

// Whether another model is offered where the page came from; it is kept if it passes its checks.
export async function lookForNewer(app, digest) {
  let bytes;
  try {
    bytes = await fromNetwork(MANIFEST);
  } catch {
    return { state: "none" }; // no network: what is here goes on
  }
  if ((await hex(bytes)) === digest) return { state: "none" };
  try {
    const model = await load(app, fromNetwork, () => {});
    await keep(model);
    return { state: "ready" };
  } catch (error) {
    return { state: "refused", sentence: error.message };
  }
}
