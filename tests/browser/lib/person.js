import assert from 'node:assert/strict';
import { openPage } from './browser.js';
import { until } from './process.js';

/** A person at the demo page. Test ids: docs/demo.md. */
export class Person {
  static async open(browser, name, options) {
    const person = new Person();
    person.name = name;
    Object.assign(person, await openPage(browser, options));
    return person;
  }

  /** Opens the page, fills in the form as a person would, and joins. */
  static async join(browser, origin, name, room, options) {
    const person = await Person.open(browser, name, options);
    await person.page.goto(origin);
    await person.get('name-input').fill(name);
    await person.get('room-input').fill(room);
    await person.get('join-button').click();
    await person.entered();
    return person;
  }

  get(testId) {
    return this.page.getByTestId(testId);
  }

  async entered() {
    await this.get('message-input').waitFor({ timeout: 20_000 });
  }

  transport() {
    return this.get('transport').getAttribute('data-transport');
  }

  async onTransport(...names) {
    await until(async () => names.includes(await this.transport()), () => this.story(`on ${names}`));
  }

  /** What to say when a wait has failed. */
  async story(wanted) {
    const log = await this.get('log').locator('li').allInnerTexts();
    return `${this.name} ${wanted}; is on ${await this.transport()}\n${log.slice(0, 15).join('\n')}\n${this.wrong.join('\n')}\n`;
  }

  async sees(testId, attribute, value) {
    await until(async () => (await this.get(testId).getAttribute(attribute)) === value, () => this.story(`sees ${testId} ${value}`));
  }

  async say(text) {
    await this.get('message-input').fill(text);
    await this.get('message-input').press('Enter');
  }

  /** The chat as this person sees it. */
  messages() {
    return this.get('messages').locator('li').evaluateAll((items) =>
      items.map((item) => ({ from: item.dataset.from, status: item.dataset.status, text: item.querySelector('.text')?.innerText })));
  }

  async reads(text, from) {
    const fits = (message) => message.text === text && message.from === from;
    await until(async () => (await this.messages()).filter(fits).length === 1, () => this.story(`reads ${text}`));
  }

  member(user) {
    return this.get('members').locator(`li[data-user="${user}"]`);
  }

  async seesMember(user, attributes = {}) {
    const member = this.member(user);
    await until(async () => {
      if ((await member.count()) !== 1) return false;
      for (const [name, value] of Object.entries(attributes)) {
        if ((await member.getAttribute(`data-${name}`)) !== String(value)) return false;
      }
      return true;
    }, () => this.story(`sees ${user} ${JSON.stringify(attributes)}`));
  }

  async missesMember(user) {
    await until(async () => (await this.member(user).count()) === 0, () => this.story(`no longer sees ${user}`));
  }

  /** From now on counts how often members vanish from the list or come into it. */
  async watchMembers() {
    await this.page.evaluate(() => {
      window.memberChanges = [];
      const list = document.querySelector('[data-testid="members"]');
      const note = (kind) => (node) => window.memberChanges.push(`${kind} ${node.dataset?.user}`);
      new MutationObserver((records) => {
        const removed = new Set(records.flatMap((record) => [...record.removedNodes]));
        const added = new Set(records.flatMap((record) => [...record.addedNodes]));
        // A node that is both was only moved within the list.
        [...removed].filter((node) => !list.contains(node)).forEach(note('removed'));
        [...added].filter((node) => !removed.has(node)).forEach(note('added'));
      }).observe(list, { childList: true });
    });
  }

  memberChanges() {
    return this.page.evaluate(() => window.memberChanges);
  }

  /** Moves there, unless the client has come to be there by itself. */
  async move(transport) {
    const button = this.get(`move-${transport}`);
    await until(async () => {
      if ((await this.transport()) === transport) return true;
      if ((await button.getAttribute('aria-disabled')) === 'false') await button.click({ timeout: 1_000 }).catch(() => {});
      return false;
    }, () => this.story(`moves to ${transport}`));
  }

  async counter(name) {
    return Number(await this.get(`counter-${name}`).innerText());
  }

  /** Entries of the page's log of one kind. */
  logged(kind) {
    return this.get('log').locator(`li[data-kind="${kind}"]`).count();
  }

  async startStream(rate) {
    await this.get('stream-rate').fill(String(rate));
    await this.get('stream-rate').press('Tab');
    await this.get('stream-toggle').click();
    await until(async () => (await this.streamSent()) > 0, () => this.story('streams'));
  }

  async stopStream() {
    await this.get('stream-toggle').click();
    return this.streamSent();
  }

  async streamSent() {
    return Number(await this.get('stream-toggle').getAttribute('data-sent'));
  }

  /** What this person's check says about a sender's numbers. */
  async checked(sender) {
    const row = this.get('stream-senders').locator(`li[data-user="${sender}"]`);
    if ((await row.count()) !== 1) return null;
    return row.evaluate(({ dataset }) =>
      Object.fromEntries(['first', 'last', 'received', 'lost', 'doubled', 'swapped'].map((name) => [name, Number(dataset[name])])));
  }

  /** Waits until all `sent` numbers of the sender are here, and asserts that each came once and in order. */
  async checkedAll(sender, sent) {
    await until(async () => (await this.checked(sender))?.last >= sent, () => this.story(`has ${sender}'s number ${sent}`));
    assert.deepEqual(await this.checked(sender), { first: 1, last: sent, received: sent, lost: 0, doubled: 0, swapped: 0 },
      `${this.name}'s check of ${sender}'s numbers`);
  }

  /** Asserts that nothing went wrong in the page, but for what `expected` allows. */
  assertQuiet(expected = () => false) {
    assert.deepEqual(this.wrong.filter((line) => !expected(line)), [], `${this.name}'s console`);
  }
}
