// Drives one page of a browser: a line of JSON in, [operation, ...arguments], a line of JSON out.

import { createInterface } from "node:readline";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const [modules, program, profile] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const WAIT = { timeout: 60_000 };

const context = await chromium.launchPersistentContext(profile, {
  executablePath: program,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  viewport: { width: 412, height: 915 },
  acceptDownloads: true,
});
const page = context.pages()[0] ?? (await context.newPage());
const said = [];
page.on("pageerror", (error) => said.push(String(error)));
page.on("console", (message) => message.type() === "error" && said.push(message.text()));

const operations = {
  open: (url) => page.goto(url).then(() => null),
  reload: () => page.reload().then(() => null),
  wait: (expression) => page.waitForFunction(expression, null, WAIT).then(() => null),
  evaluate: (expression) => page.evaluate(expression),
  text: (selector) => page.textContent(selector),
  fill: (selector, text) => page.fill(selector, text).then(() => null),
  click: (selector) => page.click(selector).then(() => null),
  press: (key) => page.keyboard.press(key).then(() => null),
  offline: (on) => context.setOffline(on).then(() => null),
  dark: (on) => page.emulateMedia({ colorScheme: on ? "dark" : "light" }).then(() => null),
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
await context.close();
