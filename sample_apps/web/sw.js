"use strict";

// Keeps the app's own files, so that it opens without a network, and answers with the headers that
// give it several threads on hosts that send none. The model is kept by store.js, which checks it.

const SHELL = "__SHELL__"; // { version, files: { path: "sha256-..." } }, written by kdc bundle
const HERE = new URL("./", self.location.href);
const PREFIX = `kdc ${HERE.pathname} shell `; // several apps may share an origin
const CACHE = PREFIX + SHELL.version;
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; " +
    "style-src 'self'; connect-src 'self'; img-src 'self'; manifest-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

function guarded(response) {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

// A file of this version and no other; what the browser remembers is asked after, and passed over
// where it is another version's.
async function fetched(path) {
  const ask = async (cache) => {
    const response = await fetch(new URL(path, HERE), { integrity: SHELL.files[path], cache });
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
    return guarded(response);
  };
  return ask("no-cache").catch(() => ask("reload"));
}

// All of it or nothing: a version with one wrong byte is never installed.
async function fill() {
  const cache = await caches.open(CACHE);
  try {
    await Promise.all(
      Object.keys(SHELL.files).map(async (path) => {
        await cache.put(new URL(path, HERE), await fetched(path));
      }),
    );
  } catch (error) {
    await caches.delete(CACHE);
    throw error;
  }
}

async function takeOver() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function serve(path) {
  const cache = await caches.open(CACHE);
  return (await cache.match(new URL(path, HERE))) ?? fetched(path);
}

self.addEventListener("install", (event) => event.waitUntil(fill()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
// a waiting version takes over when the page says so: never in the middle of its work
self.addEventListener("message", ({ data }) => data === "take over" && self.skipWaiting());

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || !url.href.startsWith(HERE.href)) return;
  const path = decodeURIComponent(url.pathname.slice(HERE.pathname.length)) || "index.html";
  if (Object.hasOwn(SHELL.files, path)) event.respondWith(serve(path));
});
