// A person at a browser: what the journeys share. Environment: CHROMIUM, BASE;
// SHOTS, a folder for pictures, if wanted.
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import assert from "node:assert/strict";

const { CHROMIUM, SHOTS } = process.env;
export const { BASE } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
export const complaints = [];
export const DESK = { width: 1280, height: 900 }, PHONE = { width: 375, height: 740 };

export async function person(options = {}) {
  const context = await browser.newContext({ locale: "ko-KR", viewport: DESK, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.on("console", (m) => { if (m.type() === "error" && !/status of (401|403|404|409|422)/.test(m.text())) complaints.push(`${page.url()}: ${m.text()}`); });
  page.on("pageerror", (e) => complaints.push(`${page.url()}: ${e.message}`));
  return page;
}

let pictures = 0;
export async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${String(++pictures).padStart(2, "0")}-${name}.png`, fullPage: true });
}

// accessible fails on what axe calls serious or critical.
export async function accessible(page, name) {
  const found = await page.evaluate(async (source) => {
    if (!window.axe) (0, eval)(source);
    return (await window.axe.run(document, { resultTypes: ["violations"] })).violations
      .filter((v) => v.impact === "serious" || v.impact === "critical")
      .map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(" | ")}`);
  }, axe);
  assert.deepEqual(found, [], `accessibility of ${name}`);
}

// fits fails when the page is wider than the screen.
export async function fits(page, name) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${name} is ${over} px wider than the screen`);
}

export async function step(name, run) {
  try { await run(); console.log("ok", name); } catch (e) { console.log("FAILED", name); throw e; }
}
