/** Asking the node, and having it do something. What goes wrong comes back as an Error in words for people. */

import { t } from "./words.js";

/** @param {string} path @returns {Promise<any>} What the node answers. */
export const read = (path) => ask(path, {});

/** Have the node do something. @returns {Promise<any>} What it answers. */
export const act = (name, document = {}) => send(`/api/${name}`, "POST", document);

/** @param {import("./scene.js").Zone[]} zones */
export const putZones = (zones) => send("/zones", "PUT", { zones });

/** @param {boolean} shown  Whether the camera's picture may be shown for a while. */
export const putConsent = (shown) => send("/consent", "PUT", { shown });

const send = (path, method, document) =>
  ask(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(document) });

async function ask(path, options) {
  const answer = await fetch(path, options).catch(() => null);
  if (answer?.status === 401) throw new Error(t("error.signed_out"));
  const document = await answer?.json().catch(() => null);
  if (!answer || document === null) throw new Error(t("error.unanswered"));
  if (!answer.ok) throw new Error(document.error);
  return document;
}
