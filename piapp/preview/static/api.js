/** Asking the node, and having it do something. What goes wrong comes back as an Error in words for people. */

import { make, t } from "./words.js";

/** @param {string} path @returns {Promise<any>} What the node answers. */
export const read = (path) => ask(path, {});

/** Have the node do something. @returns {Promise<any>} What it answers. */
export const act = (name, document = {}) => send(`/api/${name}`, "POST", document);

/** @param {import("./scene.js").Zone[]} zones */
export const putZones = (zones) => send("/zones", "PUT", { zones });

/** @param {boolean} shown  Whether the camera's picture may be shown for a while. */
export const putConsent = (shown) => send("/consent", "PUT", { shown });

/** Send a file of a type. @returns {Promise<any>} What the node answers. */
export const upload = (name, file, type) =>
  ask(`/api/${name}`, { method: "PUT", headers: { "Content-Type": type }, body: file });

/** Have the node make a file, and keep it as downloads are kept. */
export async function download(name, document = {}) {
  const answer = await answerOf(`/api/${name}`, sent("POST", document));
  const file = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? name;
  const url = URL.createObjectURL(await answer.blob());
  make("a", { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Have the node do something, at any address. @returns {Promise<any>} What it answers. */
export const send = (path, method, document) => ask(path, sent(method, document));
const sent = (method, document) => ({
  method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(document),
});

async function ask(path, options) {
  const answer = await answerOf(path, options);
  const found = await answer.json().catch(() => null);
  if (found === null) throw unanswered();
  return found;
}

/** What is thrown where no answer has come, or only a part of one. */
const unanswered = () => Object.assign(new Error(t("error.unanswered")), { unanswered: true });

/** The answer itself, where the node did what it was asked for. */
async function answerOf(path, options) {
  const answer = await fetch(path, options).catch(() => null);
  if (answer?.status === 401) throw new Error(t("error.signed_out"));
  if (!answer) throw unanswered();
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(error ?? t("error.unanswered")), { status: answer.status });
}
