/**
 * What the node sends while a page is looked at: frames, its status, events. The stream is closed while nobody looks,
 * for the node works only for viewers that are there.
 */

const LIVE_WITHIN_MS = 5000; // the node speaks each second, and a dead connection is not always reported
const RETRY_MS = [500, 8000]; // first and longest wait between attempts

/**
 * Follow the node for as long as the page is open.
 * @param {{open: () => void, frame: (frame: any) => void, status: (status: any) => void, event: (event: any) => void,
 *          closed: (state: "connecting"|"lost"|"out") => void}} listener  `open` each time the node is reached, `closed`
 *          each time the stream ends, or cannot be had without a login.
 */
export function follow(listener) {
  /** @type {?EventSource} */ let source = null;
  let watchdog = 0;
  let retry = 0;
  let wait_ms = RETRY_MS[0];

  function connect() {
    source = new EventSource("/stream");
    source.addEventListener("open", greet);
    source.addEventListener("error", lose);
    for (const kind of ["frame", "status", "event"]) source.addEventListener(kind, (message) => take(kind, message));
    expectNews();
  }

  function greet() {
    wait_ms = RETRY_MS[0];
    listener.open();
  }

  function take(kind, message) {
    expectNews();
    listener[kind](JSON.parse(message.data));
  }

  function expectNews() {
    clearTimeout(watchdog);
    watchdog = setTimeout(lose, LIVE_WITHIN_MS);
  }

  function hangUp() {
    source?.close();
    clearTimeout(watchdog);
    clearTimeout(retry);
  }

  function lose() {
    hangUp();
    listener.closed("lost");
    retry = setTimeout(tryAgain, wait_ms);
    wait_ms = Math.min(2 * wait_ms, RETRY_MS[1]);
  }

  /** Ask for something small first: an EventSource does not say why it failed. */
  async function tryAgain() {
    const answer = await fetch("/zones", { signal: AbortSignal.timeout(LIVE_WITHIN_MS) }).catch(() => null);
    if (document.hidden) return;
    if (answer?.ok) connect();
    else if (answer?.status === 401) listener.closed("out");
    else lose();
  }

  document.addEventListener("visibilitychange", () => {
    hangUp();
    listener.closed("connecting");
    if (!document.hidden) connect();
  });
  if (!document.hidden) connect();
}
