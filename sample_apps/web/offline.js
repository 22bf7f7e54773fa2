// Installs the service worker, and reloads the page once where that gives it several threads.

// several apps may share an origin
const TRIED = `kdc ${new URL("./", location.href).pathname} tried to be isolated`;

export const isApple =
  /iPhone|iPad|iPod/.test(navigator.userAgent) ||
  (navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1); // an iPad in disguise

// Threads that the model may use; iOS kills pages that take several.
export function threads(wanted) {
  const most = crossOriginIsolated && !isApple ? (navigator.hardwareConcurrency ?? 1) : 1;
  return Math.max(1, Math.min(wanted ?? 2, most));
}

// What `prepare` finds where nothing can be kept; `installed` resolves to whether the page itself
// opens without a network, once that is known.
export const NOTHING = { keeps: false, installed: Promise.resolve(false) };

// Resolves to whether models can be kept here and the page is; to null where the page is about to
// reload. `onWaiting` is called when a newer version is there, with what lets it take over.
export async function prepare(onWaiting) {
  if (!("serviceWorker" in navigator)) return NOTHING;
  let registration;
  try {
    registration = await navigator.serviceWorker.register("sw.js", { updateViaCache: "none" });
  } catch {
    return NOTHING; // a private window, or a host that serves no script of that name
  }
  watch(registration, onWaiting);
  const found = { keeps: true, installed: active(registration) };
  if (crossOriginIsolated || isApple || triedAlready()) return found;
  if (!(await found.installed)) return found;
  location.reload();
  return null;
}

function triedAlready() {
  try {
    if (sessionStorage.getItem(TRIED)) return true;
    sessionStorage.setItem(TRIED, "yes");
    return false;
  } catch {
    return true; // without a note of it the page might reload for ever
  }
}

// Resolves when the worker runs, or when it could not be installed.
function active(registration) {
  const worker = registration.active ?? registration.waiting ?? registration.installing;
  return new Promise((resolve) => {
    const look = () => {
      if (worker.state === "activated") resolve(true);
      if (worker.state === "redundant") resolve(false);
    };
    worker.addEventListener("statechange", look);
    look();
  });
}

function watch(registration, onWaiting) {
  const offer = () => {
    const { waiting } = registration;
    if (!waiting || !navigator.serviceWorker.controller) return;
    onWaiting(() => {
      navigator.serviceWorker.addEventListener("controllerchange", () => location.reload());
      waiting.postMessage("take over");
    });
  };
  offer();
  registration.addEventListener("updatefound", () => {
    registration.installing?.addEventListener("statechange", offer);
  });
}
