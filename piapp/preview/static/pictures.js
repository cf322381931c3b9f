/**
 * What of the camera may be seen while aiming: edges, or the picture where its owner allows it.
 *
 * The node decides; a consent ends by itself, and while it lasts the page says so to everybody who looks.
 */

import { putConsent } from "./api.js";
import { $, t, write } from "./words.js";

const KINDS = ["photo", "edges"]; // what covers more comes first

/** @type {?{bitmap: ImageBitmap, ts: number}} */ let picture = null;
let watching = false;
let offered = []; // kinds that the node would show; none while it does not answer
let wish = ""; // the kind to show as soon as it is offered
let redraw = () => {};

/** @param {() => void} changed  Called when there is something to draw anew. */
export function watchPictures(changed) {
  redraw = changed;
}

/** The picture that is there, with the time of its frame. */
export const shownPicture = () => picture;

/** @returns {?import("./scene.js").Frame} The frame that belongs to the picture, which comes later than it; else the newest. */
export const shownFrame = (frames) => frames.find((frame) => frame.ts_ms === picture?.ts) ?? frames.at(-1);

/** @param {{pictures: string[], consent: {asked: boolean, left_s: number}}} news */
export function offerPictures({ pictures, consent }) {
  for (const kind of KINDS) offer(kind, pictures.includes(kind));
  offered = pictures;
  showConsent(consent);
  watch(); // also after the connection was lost
}

/** Nothing is known of the node: take the picture away. */
export function hidePictures() {
  offered = [];
  forget();
}

function offer(kind, allowed) {
  const toggle = $(kind === "photo" ? "picture" : kind);
  if (allowed && !toggle) {
    $("switches").append($(`${kind}-template`).content.cloneNode(true));
    const added = $(kind === "photo" ? "picture" : kind);
    added.checked = wish === kind;
    added.addEventListener("change", watch);
  } else if (!allowed && toggle) {
    toggle.closest("label").remove();
  }
}

const isOn = (kind) => offered.includes(kind) && $(kind === "photo" ? "picture" : kind)?.checked;
const wanted = () => KINDS.find(isOn);

/** Fetch pictures one after the other for as long as they are wanted. */
async function watch() {
  if (watching) return;
  watching = true;
  let kind;
  while ((kind = wanted())) await next(kind);
  watching = false;
  forget();
  redraw();
}

async function next(kind) {
  try {
    const answer = await fetch(`/picture?kind=${kind}&after=${picture?.ts ?? 0}`);
    if (answer.status === 200 && wanted() === kind) await take(answer);
    else if (answer.status > 204) throw new Error(`status ${answer.status}`);
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 1000)); // the stream tells what is wrong
  }
}

async function take(answer) {
  const bitmap = await createImageBitmap(await answer.blob());
  forget();
  picture = { bitmap, ts: Number(answer.headers.get("X-Ts-Ms")) };
  redraw();
}

function forget() {
  picture?.bitmap.close();
  picture = null;
}

// ---- consent ----

function showConsent({ asked, left_s: left }) {
  const until = new Date(Date.now() + 1000 * left).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  $("consent").hidden = !asked;
  $("consent").classList.toggle("shown", left > 0);
  write($("consent-text"), left > 0 ? t("picture.shown", { time: until }) : t("picture.hidden"));
  write($("consent-button"), t(left > 0 ? "picture.end" : "picture.agree"));
  $("consent-button").dataset.shown = String(left > 0);
}

$("consent-button").addEventListener("click", async () => {
  const shown = $("consent-button").dataset.shown !== "true";
  if (shown && !confirm(t("picture.question"))) return;
  wish = shown ? "photo" : "";
  try {
    offerPictures(await putConsent(shown));
  } catch (error) {
    write($("consent-text"), t("error.refused", { error: error.message }));
  }
});
