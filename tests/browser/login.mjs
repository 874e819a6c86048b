// Signs in by each flow in a real browser, and looks at what it shows, keeps and leaves behind.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const program = process.env.PROGRAM;
const shots = import.meta.dirname;
const folder = mkdtempSync(path.join(tmpdir(), "login-"));

/** Whatever happens here, nothing goes on running or lies about. */
const running = [];
process.on("exit", () => {
  for (const child of running) child.kill();
  rmSync(folder, { recursive: true });
});

/** A running program, whose lines of stderr and stdout can be waited for. */
class Running {
  constructor(args, environment = {}) {
    const env = { PATH: process.env.PATH, HOME: folder, ...environment };
    this.child = spawn(program, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
    running.push(this.child);
    this.said = "";
    this.waiting = [];
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        this.said += `${line}\n`;
        this.waiting = this.waiting.filter(({ pattern, found }) => {
          const match = line.match(pattern);
          if (match) found(match);
          return !match;
        });
      });
    }
    this.ended = new Promise((ended) => this.child.on("close", ended));
  }

  /** The first line from now on that matches. */
  line(pattern) {
    return new Promise((found, failed) => {
      this.waiting.push({ pattern, found });
      this.ended.then(() => failed(new Error(`it ended without ${pattern}: ${this.said}`)));
    });
  }
}

const sandbox = new Running(["sandbox", "--rate", "0", "--chats", "100"]);
const [, url] = await sandbox.line(/answers at (\S+)/);
const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: ["--no-sandbox"] });

/** Signs in with these flags, pressing this button; gives the page, what was complained of in it, and the program. */
async function signIn(name, button, flags) {
  const config = path.join(folder, `${name}.json`);
  const flow = ["login", "--subdomain", "sandbox", "--base-url", url, "--client-id", "sandbox-client", "--port", "0"];
  const login = new Running([...flow, "--no-browser", "--config-out", config, ...flags]);
  const [, address] = await login.line(/^ +(http:\S+)$/);
  const page = await (await browser.newContext()).newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(address);
  await page.screenshot({ path: path.join(shots, `${name}-1.png`) });
  await page.getByRole("button", { name: button }).click();
  await page.getByRole("heading", { name: /You are/ }).waitFor();
  await page.screenshot({ path: path.join(shots, `${name}-2.png`) });
  const code = await login.ended;
  return { page, complaints, login, config, code };
}

/** Nothing secret is left in the address, and going back finds none. */
async function leavesNothing(page, secret) {
  assert.match(page.url(), /^http:\/\/localhost:\d+\/$/);
  assert.equal(await page.evaluate(() => location.hash + location.search), "");
  await page.goBack().catch(() => {});
  assert.ok(!page.url().includes(secret) && !/access_token|[?&]code=/.test(page.url()), page.url());
}

async function works(config) {
  const check = new Running(["check", "--config", config]);
  assert.equal(await check.ended, 0);
  assert.match(check.said, /"SUCCEEDED"/);
  assert.equal(statSync(config).mode & 0o777, 0o600);
}

const cases = {
  async "a code is allowed"() {
    const { page, complaints, login, config, code } = await signIn("code", "Allow", []);
    assert.equal(await page.getByRole("heading").textContent(), "You are signed in");
    assert.deepEqual([code, complaints], [0, []], login.said);
    const { credentials } = JSON.parse(readFileSync(config, "utf8"));
    assert.ok(credentials.refresh_token && !login.said.includes(credentials.access_token));
    await leavesNothing(page, credentials.access_token);
    await works(config);
  },
  async "a code is denied"() {
    const { page, login, config, code } = await signIn("code-denied", "Deny", []);
    assert.equal(await page.getByRole("heading").textContent(), "You are not signed in");
    assert.equal(code, 1);
    assert.match(login.said, /The sign-in was denied in the browser/);
    assert.ok(!existsSync(config));
  },
  async "a token in the fragment is allowed"() {
    const { page, complaints, login, config, code } = await signIn("implicit", "Allow", ["--flow", "implicit"]);
    assert.equal(await page.getByRole("heading").textContent(), "You are signed in");
    assert.deepEqual([code, complaints], [0, []], login.said);
    const { credentials } = JSON.parse(readFileSync(config, "utf8"));
    assert.ok(!login.said.includes(credentials.access_token));
    assert.ok(!(await page.content()).includes(credentials.access_token));
    await leavesNothing(page, credentials.access_token);
    await works(config);
  },
  async "a token in the fragment is denied"() {
    const { page, login, code } = await signIn("implicit-denied", "Deny", ["--flow", "implicit"]);
    assert.equal(await page.getByRole("heading").textContent(), "You are not signed in");
    assert.equal(code, 1);
    assert.match(login.said, /The sign-in was denied in the browser/);
  },
  async "client credentials need no browser"() {
    const config = path.join(folder, "by-itself.json");
    const flags = ["--client-id", "sandbox-confidential", "--client-secret-env", "SECRET", "--config-out", config];
    const where = ["--subdomain", "sandbox", "--base-url", url, "--flow", "client-credentials"];
    const login = new Running(["login", ...where, ...flags], { SECRET: "sandbox-secret" });
    assert.equal(await login.ended, 0, login.said);
    await works(config);
  },
};

let failed = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`${name}: ok`);
  } catch (error) {
    failed += 1;
    console.log(`${name}: FAILED\n${error.stack}`);
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
