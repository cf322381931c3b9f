/**
 * Setting the node up: one step after the other, each of which can be left out and done again later.
 *
 * What is typed is kept by the node as on the other pages; the broker is tried first. Nothing is kept in the browser but
 * zones that are proposed, until they are taken.
 *
 * @typedef {{node: string, name: string, area: string, places: import("./proposals.js").LyingPlace[],
 *            broker: {url: string, username: string, has_password: boolean, connected: boolean, undo: boolean},
 *            camera: {source: string, rotation: number, tilt_deg: number|"auto", learnt_tilt_deg: number},
 *            walk: Object<string, import("./walk.js").Result>, page: boolean, done: boolean, left_s: ?number,
 *            kept: boolean, pending: string[]}} Setup
 */

import { aimHint, lean, levelHint } from "./aim.js";
import { act, read } from "./api.js";
import { attempt } from "./attempt.js";
import { Editor } from "./editor.js";
import { hidePictures, offerPictures, shownFrame, shownPicture, watchPictures } from "./pictures.js";
import { bedAround, placeAround, seatAround } from "./proposals.js";
import { askForRestart, offerRestart } from "./restart.js";
import { Scene } from "./scene.js";
import { follow } from "./stream.js";
import { STEPS as WALK_STEPS, Walk } from "./walk.js";
import { $, button, counted, describe, make, say, t, write } from "./words.js";

const STEPS = ["camera", "name", "broker", "walk", "zones", "done"];
const WITH_VIEW = ["camera", "walk", "zones"];
const FRAMES_KEPT = 45; // three seconds, to find the skeleton that belongs to a picture
const LEANS_KEPT = 30;
const RESERVED = "piapp_proposals"; // of this browser's storage, for this tab alone

/** @type {Setup} */ let setup;
let step = STEPS[0];
/** @type {import("./scene.js").Frame[]} */ let frames = [];
let leans = [];
let state = "connecting";
/** @type {Object<string, import("./scene.js").Point[]>} */
let proposals = JSON.parse(sessionStorage.getItem(RESERVED) ?? "{}");

const editor = new Editor($("canvas"), () => scene.redraw());
const scene = new Scene($("canvas"), things);
editor.drawOn(scene);
watchPictures(() => scene.redraw());

function things() {
  const { others: zones, draft } = editor;
  const persons = shownFrame(frames)?.persons ?? [];
  return { size: frames.at(-1)?.size, persons, zones, picture: shownPicture()?.bitmap, draft };
}

// ---- steps ----

const buttons = Object.fromEntries(STEPS.map((name) => [name, button("", () => show(name), { class: "step" })]));
$("steps").append(...STEPS.map((name) => make("li", {}, buttons[name])));
$("back").addEventListener("click", () => show(STEPS[STEPS.indexOf(step) - 1]));
$("next").addEventListener("click", () => show(STEPS[STEPS.indexOf(step) + 1]));

/** Go to a step; its heading gets the focus, so that a screen reader begins there. */
function show(name, { focus = true } = {}) {
  if (walk.step) walk.stop();
  step = name;
  history.replaceState(null, "", `#${name}`);
  for (const one of STEPS) $(`step-${one}`).hidden = one !== name;
  $("view").hidden = !WITH_VIEW.includes(name);
  $("tools").classList.toggle("without-drawing", name !== "zones");
  $("back").disabled = name === STEPS[0];
  $("next").hidden = name === STEPS.at(-1);
  listSteps();
  if (name === "done") summarise();
  if (focus) $(`title-${name}`).focus();
  scene.redraw();
}

/** Go to the step that the address names. */
function showNamed(how) {
  const named = location.hash.slice(1);
  show(STEPS.includes(named) ? named : STEPS[0], how);
}

/** Which steps have been done: a mark and a word, for a colour alone says nothing to some. */
function listSteps() {
  STEPS.forEach((name, k) => {
    const mark = make("span", { "aria-hidden": "true", class: "step-mark" }, isDone(name) ? "✓" : String(k + 1));
    const done = make("span", { class: "unseen" }, isDone(name) ? ` (${t("setup.is_done")})` : "");
    buttons[name].replaceChildren(mark, make("span", { class: "step-name" }, t(`setup.step_${name}`)), done);
    buttons[name].toggleAttribute("data-done", isDone(name));
    if (name === step) buttons[name].setAttribute("aria-current", "step");
    else buttons[name].removeAttribute("aria-current");
  });
}

const DONE = {
  camera: () => seenWell,
  name: () => Boolean(setup.name || setup.area),
  broker: () => setup.broker.connected || setup.pending.includes("mqtt.url"),
  walk: () => Object.values(setup.walk).some(({ recognised }) => recognised),
  zones: () => editor.zones.length > 0,
  done: () => setup.done,
};
const isDone = (name) => Boolean(setup) && DONE[name]();

/** Do what a form or button asks for, and list anew which steps are done. */
const attemptStep = (control, status, work) => attempt(control, status, work).then(listSteps);

function onSubmit(form, status, work) {
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    attemptStep($(form).querySelector("[type=submit]"), $(status), work);
  });
}

/** @param {Setup} news */
function take(news) {
  setup = news;
  write($("left"), setup.left_s === null ? "" : counted("setup.left", Math.ceil(setup.left_s / 60)));
  $("undo-broker").hidden = !setup.broker.undo;
  $("keep-page").hidden = setup.left_s === null || setup.page;
  offerRestart(setup.pending.length && !setup.done ? t("setup.pending") : "");
  $("restart").hidden ||= step === "done";
  listSteps();
  listProposals();
}

const reload = async () => take(await read("/api/setup"));

/** Keep values of the configuration for the next start. */
async function keep(values) {
  await act("settings", { values });
  await reload();
  return t("setup.saved_restart");
}

// ---- camera ----

let seenWell = false;
let hinted_ms = 0;

/** How the camera stands, once a second: numbers that change with every frame cannot be read. */
function showHints() {
  if (performance.now() - hinted_ms < 1000) return;
  hinted_ms = performance.now();
  const last = frames.at(-1);
  const distance = last ? aimHint(last.persons) : "";
  seenWell ||= Boolean(distance);
  write($("hint-distance"), distance || t("setup.stand_in_view"));
  write($("hint-level"), levelHint(leans));
  write($("hint-tilt"), leans.length && setup ? t("setup.looks_down", { degrees: Math.round(setup.camera.learnt_tilt_deg) }) : "");
}

$("rotation").append(...[0, 90, 180, 270].map((turn) => make("option", { value: turn }, `${turn}°`)));

onSubmit("camera-form", "camera-said", () => {
  const typed = $("tilt").value.trim().replace(",", ".");
  const tilt = typed === "" ? "auto" : Number(typed);
  if (Number.isNaN(tilt)) throw new Error(t("setup.tilt_help"));
  return keep({ "camera.rotation": Number($("rotation").value), "camera.tilt_deg": tilt });
});

// ---- name ----

onSubmit("name-form", "name-said", () =>
  keep({ "node.name": $("node-name").value.trim(), "node.area": $("area").value.trim() }),
);

// ---- broker ----

/** What goes wrong with a broker, by the node's reason: what to do about it. */
const REASONS = {
  name_not_found: "name", refused: "refused", unreachable: "away", timeout: "away", no_answer: "away",
  tls: "tls", tls_untrusted: "untrusted", tls_strict: "untrusted", tls_host_name: "untrusted", tls_expired: "untrusted",
  bad_credentials: "login", not_authorised: "login", may_not_publish: "publish",
};

/** What is typed; no password means the known one, where address and user name are the known ones. */
function login() {
  const [url, username, password] = ["url", "username", "password"].map((id) => $(id).value);
  const known = url.trim() === setup.broker.url && username === setup.broker.username && setup.broker.has_password;
  return { url: url.trim(), username, password: password === "" && known ? null : password };
}

onSubmit("broker-form", "broker-said", async () => {
  $("keep-anyway").hidden = true;
  write($("broker-detail"), "");
  const typed = login();
  if (!typed.url) throw new Error(t("setup.no_url"));
  const found = await act("setup_try_broker", typed);
  if (found.reason) return refuse(found, typed.url);
  const home = t(`setup.home_${found.home_assistant}`);
  return `${await keepBroker(typed)} ${t(found.tls ? "setup.accepts_tls" : "setup.accepts_plain")} ${home}`;
});

function refuse({ reason, text }, url) {
  $("keep-anyway").hidden = false;
  write($("broker-detail"), text);
  const closed = ["closed", "closed_early"].includes(reason) && /^(mqtts|wss):|:8883/.test(url);
  return t(`setup.broker_${closed ? "tls" : (REASONS[reason] ?? "other")}`);
}

async function keepBroker(typed) {
  take(await act("setup_broker", typed));
  fillBroker();
  return t("setup.broker_saved");
}

$("keep-anyway").addEventListener("click", () =>
  attemptStep($("keep-anyway"), $("broker-said"), async () => {
    const words = await keepBroker(login());
    $("keep-anyway").hidden = true;
    $("keep-broker").focus();
    return words;
  }),
);

$("undo-broker").addEventListener("click", () =>
  attemptStep($("undo-broker"), $("broker-said"), async () => {
    take(await act("setup_broker_undo"));
    fillBroker();
    write($("broker-detail"), "");
    return t("setup.broker_undone", { url: setup.broker.url });
  }),
);

$("find").addEventListener("click", () =>
  attemptStep($("find"), $("find-said"), async () => {
    const { brokers } = await act("setup_find_brokers");
    $("found").replaceChildren(...brokers.map((url) => button(url, () => choose(url))));
    return brokers.length ? counted("setup.found", brokers.length) : t("setup.found_none");
  }),
);

function choose(url) {
  $("url").value = url;
  $("username").focus();
}

function fillBroker() {
  $("url").value = setup.broker.url;
  $("username").value = setup.broker.username;
  $("password").value = "";
}

// ---- walk-through ----

const walk = new Walk({ changed: showWalk, recognised, ended: keepWalk });
$("walk-start").addEventListener("click", () => {
  walk.start();
  $("walk-skip").focus();
  $("view").scrollIntoView({ block: "start" });
});
$("walk-skip").addEventListener("click", () => walk.skip());
$("walk-stop").addEventListener("click", () => {
  walk.stop();
  $("walk-start").focus();
});

/** @param {import("./walk.js").Step} now */
function recognised(now, person, frame) {
  const polygon = now === "bed" ? bedAround(person, frame.size) : now === "sit" ? seatAround(person, frame.size) : null;
  if (polygon) propose(now, polygon);
  beep();
}

function showWalk() {
  const now = walk.step;
  for (const [id, hidden] of [["walk-start", now], ["walk-skip", !now], ["walk-stop", !now]]) $(id).hidden = Boolean(hidden);
  const result = now && walk.results[now];
  const task = now ? (result ? words(result) : t(`setup.task_${now}`)) : "";
  $("task").hidden = !now;
  write($("task"), task);
  if (task) say(task, "urgent");
  listWalk();
}

function listWalk() {
  const results = walk.step ? walk.results : { ...setup?.walk, ...walk.results };
  $("walk").replaceChildren(
    ...WALK_STEPS.map((name) => {
      const result = results[name];
      const verdict = result ? (result.recognised && !result.false_fall ? "OK" : "FAIL") : "";
      const mark = make("span", { class: "verdict", "data-verdict": verdict }, result ? words(result) : t("setup.walk_open"));
      return make("li", name === walk.step ? { "aria-current": "step" } : {}, make("b", {}, t(`setup.walk_${name}`)), mark);
    }),
  );
}

function words({ recognised: found, after_s: seconds, false_fall: fell }) {
  const said = found ? t("setup.recognised", { seconds: Math.max(1, Math.round(seconds)) }) : t("setup.not_recognised");
  return fell ? `${said} ${t("setup.false_fall")}` : said;
}

async function keepWalk() {
  const failed = Object.values(walk.results).some(({ recognised: found, false_fall: fell }) => !found || fell);
  write($("walk-said"), t(failed ? "setup.walk_failed" : "setup.walk_well"));
  $("walk-start").focus();
  try {
    await act("setup_walk", { walk: walk.results });
    await reload();
  } catch (error) {
    write($("walk-said"), t("error.refused", { error: error.message }));
  }
  listWalk();
}

/** Heard from the bed and the floor, where nobody reads the screen. */
function beep() {
  navigator.vibrate?.(200);
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  tone.connect(audio.destination);
  tone.onended = () => audio.close();
  tone.start();
  tone.stop(audio.currentTime + 0.2);
}

// ---- zones ----

function propose(from, polygon) {
  proposals = { ...proposals, [from]: polygon };
  sessionStorage.setItem(RESERVED, JSON.stringify(proposals));
  listProposals();
}

/** What is proposed, but for what a zone has been made of under its name. */
function proposed() {
  const walked = ["bed", "sit"].filter((from) => proposals[from]).map((from) => ({
    name: t(`setup.zone_${from}`), polygon: proposals[from], why: t(`setup.why_${from}`),
  }));
  const learnt = setup.places.map((place, k) => ({
    name: t("setup.zone_place", { number: k + 1 }), polygon: placeAround(place), why: counted("setup.why_place", place.times),
  }));
  return [...walked, ...learnt].filter(({ name }) => !editor.zones.some((zone) => zone.name === name));
}

function listProposals() {
  if (!setup) return;
  const rows = proposed().map(({ name, polygon, why }) => {
    const zone = { name, polygon, ignore: ["fall"] };
    const what = make("div", { class: "what" }, name, make("p", { class: "quiet" }, why));
    const see = button(t("setup.zone_use"), () => editor.propose(zone), { "aria-label": t("setup.zone_use_name", { name }) });
    return make("li", {}, what, see);
  });
  $("no-proposals").hidden = rows.length > 0;
  $("proposals").replaceChildren(...rows);
}

// ---- done ----

function summarise() {
  const walked = Object.values(setup.walk).filter(({ recognised: found }) => found).length;
  const lines = [
    ["setup.step_name", [setup.name || setup.node, setup.area].filter(Boolean).join(", ")],
    ["setup.step_broker", `${setup.broker.url}: ${t(brokerState())}`],
    ["setup.step_walk", t("setup.walk_count", { found: walked, all: WALK_STEPS.length })],
    ["setup.step_zones", editor.zones.map(({ name }) => name).join(", ") || t("setup.none")],
  ];
  $("summary").replaceChildren(...lines.map(([key, value]) => make("div", {}, make("dt", {}, t(key)), make("dd", {}, value))));
}

function brokerState() {
  if (setup.pending.includes("mqtt.url")) return "setup.after_restart";
  return setup.broker.connected ? "setup.connected" : "setup.not_connected";
}

$("make-link").addEventListener("click", () =>
  attemptStep($("make-link"), $("link-said"), async () => {
    const { links } = await act("setup_page");
    $("links").replaceChildren(...links.map((link) => make("li", {}, make("a", { href: link }, link))));
    setup.page = true;
    return t("setup.page_made");
  }),
);

$("finish").addEventListener("click", () =>
  attemptStep($("finish"), $("done-said"), async () => {
    take(await act("setup_done"));
    if (setup.pending.length) await askForRestart();
    $("finish").hidden = $("ways").hidden = true;
    return t(setup.pending.length ? "setup.finished_restart" : "setup.finished");
  }),
);

// ---- what the node sends ----

function showState(now) {
  if (state === now) return;
  state = now;
  $("connection").dataset.state = state;
  write($("connection"), t(`live.${state}`));
  if (state !== "live") {
    frames = [];
    hidePictures();
  }
  showNotice();
  scene.redraw();
}

function showNotice() {
  const nobody = state === "live" && frames.length > 0 && !frames.at(-1).persons.length && !walk.step;
  const notices = { connecting: "live.connecting", lost: "live.notice_lost", out: "live.notice_out" };
  write($("notice"), nobody ? t("live.nobody") : state === "live" ? "" : t(notices[state]));
}

follow({
  open() {},
  closed: showState,
  frame(frame) {
    frames = [...frames.slice(1 - FRAMES_KEPT), frame];
    $("stage").style.aspectRatio = frame.size.join("/");
    const degrees = lean(frame);
    if (degrees !== null) leans = [...leans.slice(1 - LEANS_KEPT), degrees];
    walk.see(frame);
    showHints();
    showNotice();
    const label = t("live.canvas", { people: frame.persons.map(describe).join(". ") || t("live.nobody") });
    if (!editor.draft && $("canvas").getAttribute("aria-label") !== label) $("canvas").setAttribute("aria-label", label);
    scene.redraw();
  },
  status(status) {
    showState("live");
    document.title = `${t("setup.title")}: ${status.name || status.node} – piapp`;
    write($("about"), t("live.about", { ...status, viewers: counted("live.viewers", status.viewers) }));
    offerPictures(status);
    editor.take(status.zones, status.zones_kept);
    listSteps();
  },
  event: (event) => walk.hear(event),
});

/** What the node knows changes while somebody stands before it: tilt, places, connection. */
async function refresh() {
  if (!document.hidden && state === "live") await reload().catch(() => {});
}

async function begin() {
  await reload();
  $("node-name").value = setup.name;
  $("area").value = setup.area;
  $("rotation").value = String(setup.camera.rotation);
  $("tilt").value = setup.camera.tilt_deg === "auto" ? "" : String(setup.camera.tilt_deg);
  fillBroker();
  listWalk();
  showNamed({ focus: false });
  addEventListener("hashchange", () => showNamed());
  setInterval(refresh, 5000);
}

begin().catch((error) => write($("error"), error.message));
