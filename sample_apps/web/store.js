// The model's files: from this device where they are kept, else from where the page came from.
// Nothing is kept or used before all of it is checked; a newer model takes the place of the older
// one in one step, and only when it is whole.

import { ASSETS, Refusal, checkDigest, checkSignature, checkTask } from "./checks.js";
import { hex, parseManifest } from "./checks.js";

const HERE = new URL("./", self.location.href); // several apps may share an origin
const PREFIX = `kdc ${HERE.pathname} model `;
const POINTER = `kdc ${HERE.pathname} current`;
const ADDRESS = new URL(`${ASSETS}current`, HERE).href;
const MANIFEST = "manifest.json";
const SIGNATURE = "manifest.json.sig";

const address = (name) =>
  new URL(ASSETS + name.split("/").map(encodeURIComponent).join("/"), HERE).href;

export const lost = (path) => new Refusal(`${path} could not be loaded: is there a network?`);

// Reads a file that the page came with; the network may break before all of it is here.
export async function fetchFile(path, options, place = path) {
  let answer;
  try {
    answer = await fetch(place, options);
    if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
  } catch {
    throw lost(path);
  }
  throw new Refusal(`${path} is missing (HTTP ${answer.status})`);
}

// Reads one of the app's files over the network. What a browser remembers of the manifest would
// hide a newer one for ever on hosts that tell files apart by their time alone.
export const fromNetwork = (name, cache = "no-store") =>
  fetchFile(ASSETS + name, { cache }, address(name));

const fromCache = (cache) => async (name) => {
  const found = await cache.match(address(name));
  if (!found) throw new Refusal(`${ASSETS}${name} is missing on this device`);
  return new Uint8Array(await found.arrayBuffer());
};

// Reads and checks a whole model: { digest, number, manifest, files }, files by name. One with a
// lower number than `least` is refused; `kept` is the digest of a model that is here already.
async function load(app, read, least, tell, kept = null) {
  const bytes = await read(MANIFEST);
  const signature = await checkSignature(app, bytes, () => read(SIGNATURE), least, kept);
  const manifest = parseManifest(bytes);
  checkTask(app, manifest);
  const entries = Object.entries(manifest.files);
  const total = entries.reduce((sum, [, entry]) => sum + entry.bytes, 0);
  let done = 0;
  const contents = await Promise.all(
    entries.map(async ([name, entry]) => {
      const checked = async (cache) => {
        const content = await read(name, cache);
        await checkDigest(name, content, entry);
        return content;
      };
      // what the browser remembers is asked after; once more without it, if it is another model's
      const content = await checked("no-cache").catch(() => checked("reload"));
      done += entry.bytes;
      tell({ stage: "checking", done, total });
      return [name, content];
    }),
  );
  const number = signature?.number ?? 0;
  return { digest: await hex(bytes), number, manifest, bytes, signature, files: new Map(contents) };
}

// What is kept on this device: { name, number }, the cache of the model and the highest number so
// far; the name is null where there is none.
async function current() {
  try {
    const found = await (await caches.open(POINTER)).match(ADDRESS);
    const { name, number } = await found.json();
    return { name, number };
  } catch {
    return { name: null, number: 0 };
  }
}

async function point(name, number) {
  const what = new Response(JSON.stringify({ name, number }));
  await (await caches.open(POINTER)).put(ADDRESS, what);
}

// Keeps a checked model on this device, then points at it, then drops the others.
async function keep(model) {
  const name = PREFIX + model.digest;
  const cache = await caches.open(name);
  const files = [[MANIFEST, model.bytes], ...model.files];
  if (model.signature !== null) files.push([SIGNATURE, model.signature.bytes]);
  try {
    await Promise.all(files.map(([file, bytes]) => cache.put(address(file), new Response(bytes))));
  } catch (error) {
    await caches.delete(name); // half of a model is of no use, and takes another's room
    throw error;
  }
  await point(name, model.number);
  const old = (await caches.keys()).filter((one) => one.startsWith(PREFIX) && one !== name);
  await Promise.all(old.map((one) => caches.delete(one)));
}

// The model to use now, as `open` opens it; it throws where it cannot. What is kept here and fails
// gives way to what is on the network: a model that cannot be opened must not stay for ever. A page
// may be newer than the model that is kept: that one works until the page's own is here.
export async function openModel(app, offline, open, tell) {
  const held = offline ? await current() : { name: null, number: 0 };
  const kept = held.name?.slice(PREFIX.length) ?? null; // its digest, since it was checked
  const openKept = async () => {
    const read = fromCache(await caches.open(held.name));
    return { ...(await open(await load(app, read, held.number, tell, kept))), kept: true };
  };
  const own = app.public_key === null ? kept === app.manifest_sha256 : held.number >= app.number;
  const first = kept !== null && own;
  let damage = null;
  if (first) {
    try {
      return await openKept();
    } catch (error) {
      damage = error;
    }
  }
  let model;
  try {
    model = await load(app, fromNetwork, Math.max(app.number ?? 0, held.number), tell);
  } catch (error) {
    if (kept !== null && !first) return openKept();
    if (damage === null) throw error;
    throw new Refusal(`${damage.message}; and ${error.message}`);
  }
  // if it brings the runtime down, the next start is not to try the kept one first
  if (damage !== null) await point(null, held.number).catch(() => {});
  const opened = await open(model);
  if (damage !== null) await caches.delete(held.name); // there may be room for one alone
  const stored = offline && (await keep(model).then(() => true, () => false));
  return { ...opened, kept: stored };
}

// Whether another model is offered where the page came from, to an app that can tell whose it is.
// It is kept if it passes its checks and `prove`, which opens it, does not throw.
export async function lookForNewer(app, { digest, number }, prove) {
  if (app.public_key === null) return { state: "none" };
  let bytes;
  try {
    bytes = await fromNetwork(MANIFEST);
  } catch {
    return { state: "none" }; // no network: what is here goes on
  }
  if ((await hex(bytes)) === digest) return { state: "none" };
  try {
    const least = Math.max(app.number, number, (await current()).number);
    const model = await load(app, fromNetwork, least, () => {});
    await prove(model);
    await keep(model);
    return { state: "ready" };
  } catch (error) {
    return { state: "refused", sentence: error.message };
  }
}
