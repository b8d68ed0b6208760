import { launch } from './browser.js';

/** A browser whose tabs hide each other as they do for people: playwright's own pages always think that they are visible. */
export class Tabs {
  static async open() {
    const tabs = new Tabs();
    tabs.browser = await launch(undefined, { awake: false });
    tabs.cdp = await tabs.browser.newBrowserCDPSession();
    return tabs;
  }

  /** Like playwright's; the newest tab hides the others. */
  async newPage() {
    const { targetId } = await this.cdp.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.cdp.send('Target.attachToTarget', { targetId, flatten: false });
    return new BackgroundPage(this.cdp, targetId, sessionId);
  }

  close() {
    return this.browser.close();
  }
}

/** The part of a playwright page that the tests use, and what happens to tabs in the background. */
class BackgroundPage {
  constructor(cdp, targetId, sessionId) {
    Object.assign(this, { cdp, targetId, sessionId, last: 0, waiting: new Map() });
    cdp.on('Target.receivedMessageFromTarget', ({ sessionId: from, message }) => {
      const { id, result, error } = JSON.parse(message);
      if (from !== sessionId || id === undefined) return;
      if (error) this.waiting.get(id).reject(new Error(error.message));
      else this.waiting.get(id).resolve(result);
      this.waiting.delete(id);
    });
  }

  send(method, params = {}) {
    const id = ++this.last;
    const message = JSON.stringify({ id, method, params });
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.cdp.send('Target.sendMessageToTarget', { sessionId: this.sessionId, message }).catch(reject);
    });
  }

  on() {}

  async goto(url) {
    await this.send('Page.enable');
    await this.send('Page.navigate', { url });
    while (!(await this.evaluate((url) => location.href === url && document.readyState === 'complete', url))) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async evaluate(fn, arg) {
    const expression = `(${fn})(${JSON.stringify(arg)})`;
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Shows this tab, and so hides the others. */
  show() {
    return this.cdp.send('Target.activateTarget', { targetId: this.targetId });
  }

  /** Freezes the page as browsers do with tabs long hidden (a hidden page only), or wakes it. */
  freeze(frozen) {
    return this.send('Page.setWebLifecycleState', { state: frozen ? 'frozen' : 'active' });
  }

  close() {
    return this.cdp.send('Target.closeTarget', { targetId: this.targetId });
  }
}
