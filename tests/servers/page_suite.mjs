// The service's page in a real Chromium: what somebody does who looks after jobs, by mouse, by keyboard,
// on a phone and without scripts; and axe, which looks for what keeps people out.
//
// `SERVICE` is the address of a service with the keys `admin-key` and `acme-key`, whose remote takes its
// time and refuses the first calls that write deals; `NODE` the folder where npm has installed the driver
// and axe; `PICTURES` a folder for what a browser keeps, and for pictures of all pages where `KEEP` is set.

import assert from "node:assert/strict";
import { accessSync, constants, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";

const { SERVICE, NODE, PICTURES, KEEP, PATH } = process.env;
const require = createRequire(`${NODE}/`);
const { chromium } = require("playwright-core");
const axe = require("axe-core");

const LONG = { timeout: 60_000 };
const runs = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};
const executablePath = PATH.split(delimiter).map((folder) => join(folder, "chromium")).find(runs);

let places = 0;
const open = (more) =>
  chromium.launchPersistentContext(join(PICTURES, `profile-${(places += 1)}`), {
    executablePath,
    headless: true,
    viewport: { width: 1280, height: 800 },
    colorScheme: "light",
    acceptDownloads: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-dev-shm-usage",
    ],
    ...more,
  });

// Queues a job, as a client would; its id.
const queue = async (name, records, tenant = "acme") => {
  const answer = await fetch(`${SERVICE}/api/v1/jobs`, {
    method: "POST",
    headers: { "x-api-key": "admin-key" },
    body: JSON.stringify({ environment: "dev", flow: "two", tenant, connector: "crm", name, records }),
  });
  assert.equal(answer.status, 201);
  return (await answer.json()).id;
};
const contacts = (count, from = 1) =>
  Array.from({ length: count }, (_, place) => {
    const id = `c-${String(place + from).padStart(5, "0")}`;
    return { externalId: id, email: place % 20 === 19 ? "none" : `${id}@example.com` };
  });

let context;
let page;
let job;
const troubles = [];
const watch = (page) => {
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (message) => {
    if (/Content Security Policy|htmx/.test(message.text())) troubles.push(message.text());
  });
};

const logIn = async (page, key) => {
  await page.goto(`${SERVICE}/ui/jobs`);
  await page.getByLabel("Key", { exact: true }).fill(key);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "Jobs" }).waitFor(LONG);
};
const badge = (page, text) => page.locator(".title .badge", { hasText: text });
// Set in the page, and gone when the page is another one.
const mark = (page) => page.evaluate(() => (window.isTheSame = true));
const isTheSame = (page) => page.evaluate(() => window.isTheSame === true);

before(async () => {
  context = await open();
  page = context.pages()[0];
  watch(page);
});
after(() => context.close());

test("a wrong key is refused, the right one opens the jobs", async () => {
  await page.goto(`${SERVICE}/`);
  assert.match(page.url(), /\/ui\/login/);
  await page.getByLabel("Key", { exact: true }).fill("wrong-key");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("This key is not known.").waitFor(LONG);
  await logIn(page, "admin-key");
  await page.getByText("No jobs").waitFor(LONG);
});

test("a job is seen to run, on the page that is open", async () => {
  await queue("the first", { contacts: contacts(10) }, "other");
  job = await queue("nightly", { contacts: contacts(6000), companies: [{ externalId: "f-1", name: "Acme" }] });
  await page.reload();
  const row = page.getByRole("row", { name: /nightly/ });
  await row.getByText("running").waitFor(LONG);
  await row.getByRole("link", { name: "nightly" }).click();
  await badge(page, "running").waitFor(LONG);
  await mark(page);
  const told = page.getByText(/of 6,001 records have an outcome/);
  await told.waitFor(LONG);
  const first = await told.textContent();
  await page.waitForFunction((first) => !document.body.textContent.includes(first), first, LONG);
  // What is drawn of it grows too, and who cannot see it is told.
  await page.locator("svg path.rate").waitFor(LONG);
  assert.match(await page.locator("#said").textContent(), /^running, \d+ percent$/);
  await badge(page, "completed with failures").waitFor(LONG);
  assert.equal(await isTheSame(page), true);
  assert.equal(await page.locator(".tiles a", { hasText: "Failed" }).locator(".figure").textContent(), "300");
  await page.waitForFunction(() => document.getElementById("said").textContent === "Job completed with failures");
});

test("its records are filtered, searched, sorted and paged without a reload", async () => {
  await page.locator(".tiles a", { hasText: "Failed" }).click();
  await page.locator("#records .pages").getByText("50 records of 300", { exact: true }).waitFor(LONG);
  await mark(page);
  const ids = () => page.locator("[id^=record-]").allTextContents();
  const rows = page.locator("#records tbody tr");
  assert.equal(await rows.count(), 50);
  assert.deepEqual(new Set(await page.locator("#records .badge").allTextContents()), new Set(["rejected"]));

  await page.locator("#next").click();
  await page.waitForURL(/after=/, LONG);
  await page.locator("#previous").waitFor(LONG);
  const second = await ids();
  assert.equal(second[0], "c-01020");
  await page.locator("#next").focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction((old) => document.querySelector("[id^=record-]").textContent !== old, second[0], LONG);
  // The keyboard stays where it was.
  assert.equal(await page.evaluate(() => document.activeElement.id), "next");
  await page.goBack();
  await page.waitForFunction((old) => document.querySelector("[id^=record-]")?.textContent === old, second[0], LONG);

  await page.goto(`${SERVICE}/ui/jobs/${job}/records?outcome=rejected`);
  await mark(page);
  await page.keyboard.press("/");
  await page.keyboard.type("C-0004");
  await page.waitForURL(/search=C-0004/, LONG);
  await page.locator("#records .pages").getByText("1 record", { exact: true }).waitFor(LONG);
  assert.deepEqual(await ids(), ["c-00040"]);
  await page.locator("#search").fill("c-00");
  await page.locator("#records .pages").getByText("49 records", { exact: true }).waitFor(LONG);
  await page.locator("#sort-external_id").click();
  await page.locator("th[aria-sort=ascending] #sort-external_id").waitFor(LONG);
  await page.locator("#sort-external_id").click();
  await page.locator("th[aria-sort=descending] #sort-external_id").waitFor(LONG);
  assert.equal((await ids())[0], "c-00980");
  // A search keeps the order.
  await page.locator("#search").fill("c-000");
  await page.locator("#records .pages").getByText("4 records", { exact: true }).waitFor(LONG);
  assert.deepEqual(await ids(), ["c-00080", "c-00060", "c-00040", "c-00020"]);
  await page.getByLabel("Outcome").selectOption("Created");
  await page.locator("#records .pages").getByText("50 records", { exact: true }).waitFor(LONG);
  assert.equal(await isTheSame(page), true);
});

test("what is filtered is a file", async () => {
  await page.goto(`${SERVICE}/ui/jobs/${job}/records?outcome=rejected&search=c-000`);
  const [download] = await Promise.all([
    page.waitForEvent("download", LONG),
    page.getByRole("link", { name: "CSV" }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "nightly-results.csv");
  const lines = readFileSync(await download.path(), "utf8").trim().split("\n");
  assert.equal(lines.length, 5);
  assert.match(lines[1], /^contacts,20,c-00020,/);
});

test("a record tells its way, and what became of it before", async () => {
  await queue("before", { contacts: contacts(20) });
  await page.goto(`${SERVICE}/ui/jobs/${job}/records?outcome=rejected&search=c-00020`);
  await page.getByRole("link", { name: "c-00020" }).click();
  await page.getByRole("heading", { name: "c-00020" }).waitFor(LONG);
  const steps = await page.locator(".steps li").allTextContents();
  assert.match(steps[0], /The job was accepted/);
  assert.match(steps.at(-1), /Rejected/);
  const kept = page.getByRole("region", { name: "As it came in" });
  assert.match(await kept.textContent(), /"email": "none"/);
  // Its own part of the call that it went out in, and what was answered.
  const call = page.locator(".steps li", { hasText: "sent together with" });
  await call.getByText("This record in the request").click();
  const own = await call.getByRole("region", { name: "This record in the request" }).textContent();
  assert.match(own, /c-00020/);
  assert.doesNotMatch(own, /c-00019/);
  await call.getByText("Answer", { exact: true }).click();
  await call.getByRole("region", { name: "Answer" }).waitFor(LONG);
  // It is looked for while the page is there already.
  await page.locator("#history p").getByText(/other job/).waitFor(LONG);
});

test("what failed is tried again once the fault is gone", async () => {
  const failed = await queue("deals", { deals: [{ externalId: "d-1", amount: 1 }, { externalId: "d-2", amount: 2 }] });
  await page.goto(`${SERVICE}/ui/jobs/${failed}`);
  await page.getByRole("button", { name: "Retry what failed" }).waitFor(LONG);
  await page.getByText("What went wrong").waitFor(LONG);
  await page.getByRole("button", { name: "Retry what failed" }).click();
  await page.getByRole("heading", { name: "retry of deals" }).waitFor(LONG);
  await badge(page, "succeeded").waitFor(LONG);
  assert.equal(await page.locator(".tiles a", { hasText: "Succeeded" }).locator(".figure").textContent(), "2");
});

test("a record is reached by keyboard alone", async () => {
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
  const tabTo = async (text) => {
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press("Tab");
      if ((await focused()) === text) return;
    }
    assert.fail(`no way to ${text}`);
  };
  await page.goto(`${SERVICE}/ui/jobs`);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the content");
  // Whoever looks sees where they are.
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await tabTo("nightly");
  await page.keyboard.press("Enter");
  await badge(page, "completed with failures").waitFor(LONG);
  await tabTo("Records");
  await page.keyboard.press("Enter");
  await page.locator("#records").waitFor(LONG);
  await page.keyboard.press("/");
  await page.keyboard.type("c-00020");
  await page.locator("#records .pages").getByText("1 record", { exact: true }).waitFor(LONG);
  await tabTo("c-00020");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "c-00020" }).waitFor(LONG);
});

const pages = async () => {
  await page.goto(`${SERVICE}/ui/jobs/${job}/records?outcome=rejected`);
  const record = await page.locator("[id^=record-]").first().getAttribute("href");
  return {
    jobs: "/ui/jobs",
    job: `/ui/jobs/${job}`,
    records: `/ui/jobs/${job}/records?search=c-0002`,
    none: `/ui/jobs/${job}/records?search=nobody`,
    record,
    missing: "/ui/jobs/none",
  };
};

test("axe finds nothing, in either theme, on a desk or a phone, and no page is wider than it is", async () => {
  const found = [];
  const look = async (page, name) => {
    await page.evaluate(axe.source);
    const told = await page.evaluate(() => window.axe.run());
    for (const { id, impact, nodes } of told.violations) {
      found.push(`${name}: ${impact} ${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
    }
    const width = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
    if (width > 0) found.push(`${name}: ${width} px too wide`);
    if (KEEP) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
  };
  const all = await pages();
  const stranger = await open();
  try {
    const login = stranger.pages()[0];
    for (const [size, width, height] of [["desk", 1280, 800], ["phone", 390, 844]]) {
      for (const colorScheme of ["light", "dark"]) {
        for (const one of [page, login]) {
          await one.setViewportSize({ width, height });
          await one.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        }
        for (const [name, path] of Object.entries(all)) {
          await page.goto(SERVICE + path);
          // What comes after the page itself is a part of it.
          if (name === "record") await page.locator("#history p").getByText(/other job/).waitFor(LONG);
          await look(page, `${name}-${size}-${colorScheme}`);
        }
        await login.goto(`${SERVICE}/ui/login`);
        await look(login, `login-${size}-${colorScheme}`);
      }
    }
  } finally {
    await stranger.close();
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.emulateMedia({ colorScheme: "light" });
  }
  assert.deepEqual(found, []);
});

test("the theme is the system's until somebody chooses, and stays what is chosen", async () => {
  const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.goto(`${SERVICE}/ui/jobs`);
  const light = await back();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await back();
  assert.notEqual(light, dark);
  await page.emulateMedia({ colorScheme: "light" });
  await page.getByRole("button", { name: "Dark theme" }).click();
  assert.equal(await back(), dark);
  await page.reload();
  assert.equal(await back(), dark);
  assert.equal(await page.getByRole("button", { name: "Dark theme" }).getAttribute("aria-pressed"), "true");
  await page.getByRole("button", { name: "Dark theme" }).click();
  assert.equal(await back(), light);
});

test("without scripts all of it works by links and forms", async () => {
  const plain = await open({ javaScriptEnabled: false });
  try {
    const page = plain.pages()[0];
    await logIn(page, "acme-key");
    // A tenant's key shows that tenant.
    assert.equal(await page.getByRole("link", { name: "the first" }).count(), 0);
    assert.equal(await page.getByRole("button", { name: "Dark theme" }).isVisible(), false);
    await page.getByRole("link", { name: "nightly" }).click();
    await page.getByRole("link", { name: "Records", exact: true }).click();
    await page.locator("#search").fill("c-00040");
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("link", { name: "c-00040" }).click();
    await page.getByRole("link", { name: "Look for it" }).click();
    await page.locator("#history p").getByText(/other job/).waitFor(LONG);
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("heading", { name: "Log in" }).waitFor(LONG);
  } finally {
    await plain.close();
  }
});

test("a login that has ended leads to the form, from a page that is open", async () => {
  await page.goto(`${SERVICE}/ui/jobs/${job}/records`);
  await context.clearCookies();
  await page.locator("#search").fill("c-00020");
  await page.waitForURL(/\/ui\/login\?next=/, LONG);
});

test("no page has run into its own policy", () => {
  assert.deepEqual(troubles, []);
});
