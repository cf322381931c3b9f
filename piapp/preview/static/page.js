/**
 * The live page: what the node sends is drawn and told.
 *
 * One stream of server-sent events feeds everything; it is closed while nobody looks at the page, for the node works
 * only for viewers that are there. Text reaches the document as text alone: names of zones come from whoever drew them.
 *
 * @typedef {import("./scene.js").Frame} Frame
 * @typedef {import("./scene.js").Person} Person
 * @typedef {{node: string, name: string, version: string, fps: ?number, latency_ms: ?{p50: number, p95: number},
 *            temperature_c: ?number, paused: boolean, paused_by: ?string, people: number,
 *            alarms: import("./alarms.js").OpenAlarm[], schedule: {enabled: boolean, pause: string},
 *            pictures: string[], consent: {asked: boolean, left_s: number}, zones_kept: boolean,
 *            zones: import("./scene.js").Zone[], viewers: number}} Status
 * @typedef {{id: string, event_type: string, t: string, person: ?number, posture: ?string, zones: string[],
 *            evidence: Object<string, any>, test?: boolean}} PostureEvent
 */

import { aimHint } from "./aim.js";
import { showAlarms } from "./alarms.js";
import { Editor } from "./editor.js";
import { isListed, listEvent } from "./events.js";
import { hidePictures, offerPictures, shownFrame, shownPicture, watchPictures } from "./pictures.js";
import { Scene, colourOf } from "./scene.js";
import { follow } from "./stream.js";
import { $, clock, concerns, counted, describe, happened, make, say, t, who, write } from "./words.js";

const HISTORY_MS = 700; // events that come so soon after the first connection are old ones: not read out
const FRAMES_KEPT = 45; // three seconds, to find the skeleton that belongs to a picture

const canvas = /** @type {HTMLCanvasElement} */ ($("canvas"));
const editor = new Editor(canvas, changed);
const scene = new Scene(canvas, things);
editor.drawOn(scene);
watchPictures(() => scene.redraw());

/** @type {Frame[]} */ let frames = []; // the last ones, newest last
/** @type {?Status} */ let status = null;
/** @type {Map<number, string>} */ const fallen = new Map(); // who is on the floor, and since when if that is known

function things() {
  const { others: zones, draft } = editor;
  const persons = shownFrame(frames)?.persons ?? [];
  return { size: frames.at(-1)?.size, persons, zones, picture: shownPicture()?.bitmap, draft };
}

function changed() {
  showNotice();
  scene.redraw();
}

// ---- connection ----

let opened_ms = 0; // when the first connection stood

function greet() {
  opened_ms ||= performance.now();
  fallen.clear(); // the node tells anew
}

/** What was seen last is taken away, for nobody should take it for what is. */
function showClosed(state) {
  frames = [];
  status = null;
  hidePictures();
  showFigures({ people: null, fps: null, latency_ms: null, temperature_c: null });
  listPeople([], t("live.no_connection"));
  changed();
  showConnection(state);
}

function showConnection(state) {
  $("connection").dataset.state = state;
  write($("connection"), t(`live.${state}`));
  showNotice();
}

// ---- what comes in ----

/** @param {Frame} frame */
function takeFrame(frame) {
  frames.push(frame);
  if (frames.length > FRAMES_KEPT) frames.shift();
  $("stage").style.aspectRatio = frame.size.join("/");
  for (const person of frame.persons) {
    if (!person.fallen) fallen.delete(person.id);
    else if (!fallen.has(person.id)) fallen.set(person.id, "");
  }
  showPeople();
  changed();
}

/** @param {Status} news */
function takeStatus(news) {
  status = news;
  const name = news.name || news.node;
  document.title = `${name} – piapp`;
  write($("name"), name);
  write($("about"), t("live.about", { ...news, viewers: counted("live.viewers", news.viewers) }));
  showFigures(news);
  offerPictures(news);
  editor.take(news.zones, news.zones_kept);
  showAlarms(news);
  showPeople();
  showConnection(news.paused ? "paused" : "live");
}

function showFigures({ people, fps, latency_ms: latency, temperature_c: heat }) {
  write($("count"), String(people ?? "–"));
  write($("fps"), fps === null ? "–" : fps.toFixed(1));
  write($("latency"), latency ? `${latency.p50.toFixed(0)} ms` : "–");
  write($("latency-most"), latency ? t("live.latency_most", { ms: Math.ceil(latency.p95) }) : "");
  write($("temperature"), heat === null ? "–" : `${heat.toFixed(0)} °C`);
}

/** @param {PostureEvent} event */
function takeEvent(event) {
  if (event.event_type === "fall" && !event.test) fallen.set(event.person, event.t);
  if (["recovered", "person_left"].includes(event.event_type)) fallen.delete(event.person);
  showAlarm();
  // The last ones come again with each connection.
  if (isListed(event.id)) return;
  listEvent(event);
  const urgent = ["fall", "fallen"].includes(event.event_type) && !event.test;
  if (performance.now() - opened_ms > HISTORY_MS) say(`${happened(event)}. ${concerns(event)}`, urgent ? "urgent" : "polite");
}

// ---- who is there ----

/** Skeletons are missed in single frames; while somebody is known to be there, the words stay. */
function showPeople() {
  const people = frames.at(-1)?.persons ?? [];
  if (people.length > 0 || !status?.people) listPeople(people);
  showAim(people);
  showAlarm();
}

let aimed_ms = 0;

/** How the camera stands, once a second: numbers that change with every frame cannot be read. */
function showAim(people) {
  if (performance.now() - aimed_ms < 1000) return;
  aimed_ms = performance.now();
  write($("aim"), aimHint(people));
}

let listed = "";

/** @param {Person[]} people @param {string} none  What to say when there are none. */
function listPeople(people, none = t("live.nobody")) {
  const lines = people.map(describe);
  const words = lines.join(". ") || none;
  const label = editor.draft ? t("live.canvas_drawing") : t("live.canvas", { people: words });
  if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
  if (words === listed) return; // frames come many times a second
  listed = words;
  $("people").replaceChildren(...people.map((person, k) => personRow(person, lines[k])));
}

/** @param {Person} person */
function personRow(person, line) {
  const colour = person.fallen ? "fallen" : String(colourOf(person.id));
  return make("li", {}, make("span", { class: "mark", "data-colour": colour, "aria-hidden": "true" }), line);
}

function showAlarm() {
  const line = (id, since) =>
    t(since ? "person.has_fallen_at" : "person.has_fallen", { who: who(id), time: since && clock(since) });
  const lines = [...fallen].map(([id, since]) => line(id, since));
  write($("alarm-text"), lines.join(". "));
  $("alarm").hidden = lines.length === 0;
}

function showNotice() {
  const last = frames.at(-1);
  const empty = last && last.persons.length === 0 && !status?.people && !editor.draft;
  const words = {
    connecting: t("live.connecting"),
    live: empty ? t("live.nobody") : "",
    paused: t("live.notice_paused"),
    lost: t("live.notice_lost"),
    out: t("live.notice_out"),
  };
  write($("notice"), words[$("connection").dataset.state]);
}

follow({ open: greet, frame: takeFrame, status: takeStatus, event: takeEvent, closed: showClosed });
