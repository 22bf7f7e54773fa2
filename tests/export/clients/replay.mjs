// Asks transformers.js the golden texts of a phone folder, as any page or program of its users
// would: a pipeline by the folder's name, nothing told about the model.

export async function replay({ env, pipeline }, { models, dtype, device, golden }) {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = models;
  const classify = await pipeline("text-classification", "phone", { dtype, device });
  const { model, tokenizer } = classify;
  const rows = [];
  for (const [place, text] of golden.texts.entries()) {
    const text_pair = golden.pairs?.[place] ?? null;
    const inputs = tokenizer(text, { text_pair, truncation: true });
    const { logits } = await model(inputs);
    const [best] = text_pair === null ? await classify(text) : [null];
    rows.push({
      ids: Array.from(inputs.input_ids.data, Number),
      logits: Array.from(logits.data),
      label: best?.label ?? null,
    });
  }
  return { version: env.version, rows };
}
