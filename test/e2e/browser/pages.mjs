// Goes through the pages of the report side as a marketer would. Environment:
// that of person.mjs, LINK (signs in once), LICENSE, SECRET.
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { BASE, PHONE, accessible, browser, complaints, fits, person, shot, step } from "./person.mjs";

const { LINK, LICENSE, SECRET } = process.env;

// The evaluation of axe needs eval, which the policy of our pages forbids:
// a context of its own goes around it for that one check.
const me = await person({ bypassCSP: true });

await step("a stranger is sent to sign in", async () => {
  await me.goto(BASE + "/raw-data");
  assert.match(me.url(), /\/sign-in\?next=/);
  await accessible(me, "sign in");
  await shot(me, "sign-in");
  await me.fill("#email", "nobody@example.kr");
  await me.fill("#password", "not the password");
  await me.click("main button.primary");
  assert.ok(await me.locator("[role=alert]").isVisible());
});

await step("the first link signs in", async () => {
  await me.goto(LINK);
  await me.waitForURL("**/raw-data");
  assert.ok(await me.getByText("API 키 등록").first().isVisible());
  await accessible(me, "first steps");
  await shot(me, "steps");
});

await step("a wrong licence is explained, nothing is lost", async () => {
  await me.goto(BASE + "/api-keys/new");
  await me.fill("#name", "에이전시 키");
  await me.fill("#license", "없는 라이선스");
  await me.fill("#secret", SECRET);
  await me.click("form .btn.primary");
  assert.equal(await me.inputValue("#name"), "에이전시 키");
  assert.equal(await me.getAttribute("#license", "aria-invalid"), "true");
  await accessible(me, "key form");
  await shot(me, "key-wrong");
});

await step("a key finds its accounts", async () => {
  await me.fill("#license", LICENSE);
  await me.fill("#secret", SECRET);
  await me.click("form .btn.primary");
  await me.waitForURL(/\/api-keys\/[0-9a-f-]+$/);
  assert.equal(await me.locator("section tbody tr").count(), 5);
  await accessible(me, "key");
  await shot(me, "key");
});

await step("a period in the wrong order is explained", async () => {
  await me.goto(BASE + "/raw-data/new");
  await me.fill("#name", "아침 보고서");
  await me.selectOption("#account", { index: 1 });
  await me.check("#kind-range");
  await me.fill("#from", "2026-03-02");
  await me.fill("#to", "2026-03-01");
  await me.click("button.primary");
  assert.ok(await me.getByText("늦습니다").isVisible());
  assert.equal(await me.inputValue("#name"), "아침 보고서");
  await accessible(me, "raw data form");
  await shot(me, "form-wrong");
});

await step("the cost is shown before", async () => {
  await me.check("#kind-last");
  await me.fill("#last_days", "3");
  await me.getByText("네이버 요청").waitFor();
});

let rawData;
await step("a raw data fills itself while one watches", async () => {
  await me.click("button.primary:not([value])");
  await me.waitForURL(/\/raw-data\/[0-9a-f-]+$/);
  rawData = me.url();
  await shot(me, "filling");
  await me.locator(".way.done").waitFor({ timeout: 60000 }); // no reload: the page refreshes itself
  await accessible(me, "raw data");
  await shot(me, "filled");
});

await step("the spreadsheet can be downloaded", async () => {
  const [download] = await Promise.all([me.waitForEvent("download"), me.click("[data-key=file]")]);
  assert.match(download.suggestedFilename(), /아침 보고서.*\.xlsx$/);
  const bytes = readFileSync(await download.path());
  assert.equal(bytes.subarray(0, 2).toString(), "PK");
});

await step("without JavaScript everything works as well", async () => {
  const cookies = await me.context().cookies();
  const plain = await person({ javaScriptEnabled: false });
  await plain.context().addCookies(cookies);
  await plain.goto(rawData);
  await plain.click("[data-key=refresh]");
  assert.ok(await plain.getByText("갱신을 시작했습니다").isVisible());
  for (let i = 0; i < 60 && !(await plain.locator(".way.done").count()); i++) { await plain.waitForTimeout(500); await plain.goto(rawData); }
  assert.ok(await plain.locator(".way.done").count());
  await plain.context().close();
});

await step("all that is wrong with the morning's settings is said at once, and nothing typed is lost", async () => {
  await me.goto(BASE + "/morning");
  assert.ok(await me.locator(".rows tbody tr").count(), "a schedule is listed");
  await me.fill("#holidays", "2026-13-45 언젠가");
  await me.fill("#webhook_url", "http://localhost:9/x");
  await me.click("aside .btn.primary");
  assert.equal(await me.getAttribute("#holidays", "aria-invalid"), "true");
  assert.equal(await me.getAttribute("#webhook_url", "aria-invalid"), "true");
  assert.equal(await me.inputValue("#webhook_url"), "http://localhost:9/x");
  await shot(me, "morning-wrong");
});

await step("a test message says that a webhook cannot be reached, and what to do", async () => {
  await me.goto(BASE + "/morning");
  assert.equal(await me.locator("#trial").count(), 0, "nothing to try without a channel");
  await me.fill("#webhook_url", "https://reports.example.invalid/hook");
  await me.fill("#webhook_secret", "0123456789abcdef");
  await me.click("aside form[action='/morning'] .btn.primary");
  await me.click("#trial .btn");
  assert.match(await me.textContent("#trial .notice.bad"), /연결하지 못했습니다/);
  await accessible(me, "/morning/test");
  await shot(me, "morning-trial");
  await me.goto(BASE + "/morning/test");
  assert.equal(new URL(me.url()).pathname, "/morning", "the address of the answer leads back to the page");
  await me.fill("#webhook_url", "-");
  await me.fill("#webhook_secret", "-");
  await me.click("aside form[action='/morning'] .btn.primary");
  assert.equal(await me.locator("#trial").count(), 0);
});

await step("every page is accessible and fits a phone, in both languages", async () => {
  const phone = await person({ viewport: PHONE, bypassCSP: true });
  await phone.context().addCookies(await me.context().cookies());
  for (const lang of ["ko", "en"]) {
    await phone.context().addCookies([{ name: "lang", value: lang, url: BASE }]);
    for (const path of ["/raw-data", "/raw-data/new", "/morning", "/api-keys", "/incidents", "/people", "/settings", "/api/docs"]) {
      await phone.goto(BASE + path);
      assert.equal(await phone.getAttribute("html", "lang"), lang);
      await fits(phone, `${path} (${lang})`);
      await accessible(phone, `${path} (${lang})`);
      await shot(phone, `phone-${lang}${path.replaceAll("/", "-")}`);
    }
  }
  await phone.context().close();
});

await step("somebody is invited, joins and sees the same", async () => {
  await me.goto(BASE + "/people");
  await me.fill("#email", "colleague@example.kr");
  await me.selectOption("#role", "viewer");
  await me.click("aside .btn.primary");
  const invitation = (await me.textContent("#link")).trim();
  const colleague = await person();
  await colleague.goto(invitation);
  await colleague.fill("#name", "동료");
  await colleague.fill("#password", "short");
  await colleague.click("button.primary");
  assert.equal(await colleague.getAttribute("#password", "aria-invalid"), "true");
  await colleague.fill("#password", "a long enough sentence");
  await colleague.click("button.primary");
  await colleague.waitForURL("**/raw-data");
  assert.ok(await colleague.getByText("아침 보고서").isVisible());
  assert.equal(await colleague.getByText("로우데이터 만들기").count(), 0, "a viewer makes nothing");
  await colleague.goto(rawData + "/edit");
  assert.ok(await colleague.getByText("역할").first().isVisible());
  await colleague.context().close();
});

await step("an unknown address is a page, not a stack trace", async () => {
  await me.goto(BASE + "/raw-data/no-such-thing");
  assert.ok(await me.getByText("로우데이터를 찾을 수 없습니다").isVisible());
});

await step("a raw data is deleted after a question", async () => {
  await me.goto(rawData + "/delete");
  await me.click("button.danger");
  await me.waitForURL("**/raw-data");
  assert.equal(await me.getByText("아침 보고서").count(), 0);
});

assert.deepEqual(complaints, [], "the browser's console");
await browser.close();
