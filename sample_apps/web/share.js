// Hands a result out as JSON: to another app where the browser can, else as a download.

export function asJson(state, asked, found) {
  const { manifest } = state;
  const names = manifest.task.labels;
  const given = manifest.task.pair ? { text: asked.text, pair: asked.pair } : { text: asked.text };
  const chances = found.probabilities.map((chance, at) => [names[at], chance]);
  const result = {
    format: "kdc.answer/1",
    app: state.app.name,
    model_manifest_sha256: state.digest,
    ...given,
    answer: found.answer,
    probabilities: Object.fromEntries(chances),
    logits: found.logits,
    tokens: found.tokens,
    milliseconds: found.ms,
    threads: state.threads,
    runtime: `onnxruntime-web ${state.runtime}`,
    browser: navigator.userAgent,
    time: new Date().toISOString(),
  };
  return `${JSON.stringify(result, null, 2)}\n`;
}

export async function share(json, title) {
  if (globalThis.kdcShell) {
    kdcShell.share(json); // in the Android app, whose WebView can do neither of what follows
    return;
  }
  const file = new File([json], "answer.json", { type: "application/json" });
  const given = { files: [file], title };
  if (navigator.canShare?.(given)) {
    try {
      await navigator.share(given);
      return;
    } catch (error) {
      if (error.name === "AbortError") return; // the user thought better of it
    }
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
