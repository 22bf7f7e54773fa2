// Drives one page of a browser: a line of JSON in, [operation, ...arguments], a line of JSON out.

import { createInterface } from "node:readline";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const [modules, program] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const WAIT = { timeout: 60_000 };

const browser = await chromium.launch({
  executablePath: program,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
let context;
let page;
let said;

// A page of a browser that knows nothing: no cookies, no caches, no service workers.
async function fresh() {
  await context?.close();
  context = await browser.newContext({ viewport: { width: 412, height: 915 } });
  page = await context.newPage();
  said = [];
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("console", (message) => message.type() === "error" && said.push(message.text()));
  return null;
}

// Asks again and again: the page's policy forbids what the driver's own waiting does.
async function until(expression) {
  for (const end = Date.now() + WAIT.timeout; Date.now() < end; ) {
    // a page that is just reloading cannot be asked
    if (await page.evaluate(expression).catch(() => false)) return null;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never true: ${expression}`);
}

const operations = {
  fresh,
  open: (url) => page.goto(url).then(() => null),
  reload: () => page.reload().then(() => null),
  wait: (expression) => until(expression),
  evaluate: (expression) => page.evaluate(expression),
  text: (selector) => page.textContent(selector),
  fill: (selector, text) => page.fill(selector, text).then(() => null),
  click: (selector) => page.click(selector).then(() => null),
  press: (key) => page.keyboard.press(key).then(() => null),
  offline: (on) => context.setOffline(on).then(() => null),
  dark: (on) => page.emulateMedia({ colorScheme: on ? "dark" : "light" }).then(() => null),
  size: (width, height) => page.setViewportSize({ width, height }).then(() => null),
  picture: (path) => page.screenshot({ path }).then(() => null),
  said: () => said.splice(0),
  download: async (selector) => {
    const [download] = await Promise.all([page.waitForEvent("download", WAIT), page.click(selector)]);
    return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
  },
  axe: async () => {
    // as the browser's own tools do it: the page's policy lets no other script in
    await page.evaluate(await readFile(`${modules}/axe-core/axe.min.js`, "utf8"));
    return page.evaluate(async () => {
      const { violations } = await globalThis.axe.run();
      return violations.map(({ id, impact, nodes }) => [id, impact, nodes.map((node) => node.html)]);
    });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [operation, ...given] = JSON.parse(line);
  let told;
  try {
    told = { value: (await operations[operation](...given)) ?? null };
  } catch (error) {
    told = { error: String(error) };
  }
  console.log(JSON.stringify(told));
}
await browser.close();
