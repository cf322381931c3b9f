/**
 * What the node sends while a page is looked at: frames, its status, events. The stream is closed while nobody looks,
 * for the node works only for viewers that are there.
 */

const LIVE_WITHIN_MS = 5000; // the node sends its status each second, and a dead connection is not always reported
const RETRY_MS = 2000;

/**
 * Follow the node for as long as the page is open.
 * @param {{frame: (frame: any) => void, status: (status: any) => void, event: (event: any) => void,
 *          state: (state: "connecting"|"live"|"lost"|"out") => void}} listener
 */
export function follow(listener) {
  let source = null;
  let timer = 0;

  function connect() {
    listener.state("connecting");
    source = new EventSource("/stream");
    source.addEventListener("error", lose);
    for (const kind of ["frame", "status", "event"]) source.addEventListener(kind, (message) => take(kind, message));
    expect();
  }

  function take(kind, message) {
    expect();
    listener[kind](JSON.parse(message.data));
    if (kind === "status") listener.state("live");
  }

  function expect() {
    clearTimeout(timer);
    timer = setTimeout(lose, LIVE_WITHIN_MS);
  }

  function hangUp() {
    source?.close();
    clearTimeout(timer);
  }

  function lose() {
    hangUp();
    listener.state("lost");
    timer = setTimeout(tryAgain, RETRY_MS);
  }

  /** Ask for something small first: an EventSource does not say why it failed. */
  async function tryAgain() {
    const answer = await fetch("/zones", { signal: AbortSignal.timeout(LIVE_WITHIN_MS) }).catch(() => null);
    if (document.hidden) return;
    if (answer?.ok) connect();
    else if (answer?.status === 401) listener.state("out");
    else lose();
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? hangUp() : connect()));
  if (!document.hidden) connect();
}
