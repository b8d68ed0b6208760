import { join } from 'node:path';
import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';
import { output } from './process.js';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
/** Without these, tabs that nobody sees are slowed down; playwright sets them too. */
const AWAKE = ['--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows'];

/** Nor does playwright let pages be kept when one goes elsewhere. */
const UNKEPT = '--disable-back-forward-cache';

/** A Chromium of its own, with an empty profile. `awake: false`: tabs in the background are treated as such; `keeps`: pages that are
 * left come back as they were; `executablePath`: what starts it. */
export function launch(flags = ['--disable-quic'], { awake = true, keeps = false, executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium' } = {}) {
  const args = [...FLAGS, ...flags, ...(awake ? AWAKE : [])];
  return chromium.launch({ executablePath, headless: true, args, ignoreDefaultArgs: [...(awake ? [] : AWAKE), ...(keeps ? [UNKEPT] : [])] });
}

/** The same with a profile that outlives it. */
export function launchProfile(folder) {
  return chromium.launchPersistentContext(folder, { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: FLAGS });
}

/** A Firefox as Debian has it, with an empty profile; its interface is puppeteer's. */
export function launchFirefox() {
  const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
  return puppeteer.launch({ browser: 'firefox', executablePath, headless: true });
}

/** A page that remembers what went wrong in it. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(`exception: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') wrong.push(`${message.type()}: ${message.text()}`);
  });
  return { page, wrong };
}

/** What the browser itself reports about requests that a proxy broke; no page can prevent it. */
export const brokenByProxy = (line) => /WebSocket connection to|Failed to load resource/.test(line);

/** Keeps a picture as CI output. */
export function screenshot(page, name) {
  return page.screenshot({ path: join(output, `${name}.png`), animations: 'disabled' });
}
