import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { replay } from "./replay.mjs";

const [modules, models, dtype] = process.argv.slice(2);
const file = join(modules, "@huggingface/transformers/dist/transformers.node.mjs");
const library = await import(pathToFileURL(file).href);
const golden = JSON.parse(readFileSync(join(models, "phone", "golden.json"), "utf8"));
console.log(JSON.stringify(await replay(library, { models, dtype, device: "cpu", golden })));
