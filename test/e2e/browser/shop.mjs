// A merchant's and a customer's journey: an order arrives, one mail goes out,
// the customer writes a review on a phone, the merchant sees it. Environment:
// that of person.mjs, LINK (signs in once), TOKEN (of the API), MAILBOX, a
// folder with the mails that were sent.
import { createHmac } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import assert from "node:assert/strict";
import { BASE, PHONE, accessible, browser, complaints, fits, person, shot, step } from "./person.mjs";

const { LINK, TOKEN, MAILBOX } = process.env;
const HUSH = "a webhook secret of a test";

async function api(method, path, body) {
  const r = await fetch(BASE + path, {
    method, body: JSON.stringify(body),
    headers: { Authorization: "Bearer " + TOKEN, "Content-Type": "application/json" },
  });
  const answer = await r.json();
  assert.ok(r.ok, JSON.stringify(answer));
  return answer;
}

let sent = 0;
async function webhook(code, topic, order) {
  const body = JSON.stringify(order);
  const r = await fetch(`${BASE}/hooks/shopify/${code}`, {
    method: "POST", body,
    headers: {
      "Content-Type": "application/json", "X-Shopify-Topic": topic, "X-Shopify-Shop-Domain": "socks.myshopify.com",
      "X-Shopify-Hmac-Sha256": createHmac("sha256", HUSH).update(body).digest("base64"),
      "X-Shopify-Webhook-Id": `hook-${++sent}`, "X-Shopify-Event-Id": `event-${sent}`,
      "X-Shopify-Triggered-At": new Date(Date.now() + sent).toISOString(), "X-Shopify-API-Version": "2026-10",
    },
  });
  assert.equal(r.status, 200, await r.text());
}

// mails are those in the mailbox: an envelope in the first line, then the mail.
function mails() {
  return readdirSync(MAILBOX).filter((f) => f.endsWith(".mail")).map((f) => readFileSync(`${MAILBOX}/${f}`, "utf8").replace(/=\r?\n/g, ""));
}

const me = await person({ bypassCSP: true });
await me.goto(LINK);
await me.waitForURL("**/raw-data");

const shop = await api("POST", "/api/v1/shops", {
  name: "양말 가게", domain: "socks.myshopify.com", zone: "Asia/Seoul", webhook_secret: HUSH,
  review_delay: "0s", cooldown: "0s", quiet_hours: null, mail_from: "socks@example.kr",
});
const at = new Date(Date.now() - 60000).toISOString().replace(/\.\d+Z/, "Z");
const order = {
  id: 5550000000001, name: "#1001", email: "jimin@example.kr", created_at: at, updated_at: at, financial_status: "paid",
  fulfillment_status: "fulfilled", customer: { id: 1, first_name: "지민", last_name: "김", email: "jimin@example.kr" },
  line_items: [{ id: 1, title: "줄무늬 양말", quantity: 1, variant_id: 3, product_id: 9 }], fulfillments: [], refunds: [],
};

await step("an order that comes three times is mailed once", async () => {
  for (const topic of ["orders/create", "orders/fulfilled", "orders/updated"]) await webhook(shop.access_code, topic, order);
  const messages = `${BASE}/shops/${shop.id}/messages`;
  for (let i = 0; i < 60; i++) {
    await me.goto(messages);
    if (await me.locator("td .state.done").count()) break;
    await me.waitForTimeout(250);
  }
  assert.equal(await me.locator("tbody tr").count(), 1);
  assert.equal(mails().length, 1);
  await accessible(me, "messages");
  await shot(me, "messages");
});

let link;
await step("the customer writes a review on a phone, without JavaScript", async () => {
  link = /http:\S+\/r\/[\w-]+/.exec(mails()[0])[0];
  const jimin = await person({ viewport: PHONE, javaScriptEnabled: false });
  await jimin.goto(link);
  await shot(jimin, "review-form");
  await jimin.locator("input[type=radio][value='5']").check({ force: true });
  await jimin.fill("textarea", "따뜻하고 <b>편해요</b>");
  await jimin.click("button.main");
  assert.ok(await jimin.getByText("따뜻하고 <b>편해요</b>").isVisible());
  await jimin.goto(link);
  assert.ok(await jimin.getByText("이미 후기를 남겨 주셨습니다").first().isVisible());
  await shot(jimin, "review-written");
  await jimin.context().close();
});

await step("her page is accessible and fits her phone", async () => {
  const jimin = await person({ viewport: PHONE, bypassCSP: true });
  await jimin.goto(link);
  await fits(jimin, "the review page");
  await accessible(jimin, "the review page");
  const unknown = await jimin.goto(link.slice(0, -4) + "AAAA");
  assert.equal(unknown.status(), 404);
  await jimin.context().close();
});

await step("the merchant sees the review", async () => {
  await me.goto(`${BASE}/shops/${shop.id}/reviews`);
  assert.ok(await me.getByText("편해요").first().isVisible());
  await accessible(me, "reviews");
  await shot(me, "reviews");
});

await step("a file is looked at before it counts", async () => {
  await me.goto(`${BASE}/shops/${shop.id}/imports`);
  await me.setInputFiles("input[type=file]", {
    name: "orders.csv", mimeType: "text/csv",
    buffer: Buffer.from("주문번호,주문일시,구매자명,이메일,상품명\n7001,2026-11-20,홍길동,gd@example.kr,양말\n7002,언젠가,홍길순,gs@example.kr,양말\n"),
  });
  await me.locator("form:has(input[type=file]) button.primary").click();
  await me.waitForURL(/\/imports\/[0-9a-f-]+$/);
  await me.getByText("언젠가").first().waitFor();
  await accessible(me, "import");
  await shot(me, "import");
});

await step("the shop's pages fit a phone, in both languages", async () => {
  const phone = await person({ viewport: PHONE, bypassCSP: true });
  await phone.context().addCookies(await me.context().cookies());
  for (const lang of ["ko", "en"]) {
    await phone.context().addCookies([{ name: "lang", value: lang, url: BASE }]);
    for (const path of ["/shops", "/shops/new", `/shops/${shop.id}`, `/shops/${shop.id}/orders`, `/shops/${shop.id}/messages`,
      `/shops/${shop.id}/reviews`, `/shops/${shop.id}/settings`, `/shops/${shop.id}/mails`]) {
      await phone.goto(BASE + path);
      await fits(phone, `${path} (${lang})`);
      await accessible(phone, `${path} (${lang})`);
      await shot(phone, `phone-${lang}${path.replace(shop.id, "").replaceAll("/", "-")}`);
    }
  }
  await phone.context().close();
});

assert.deepEqual(complaints, [], "the browser's console");
await browser.close();
