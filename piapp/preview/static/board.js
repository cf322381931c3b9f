/**
 * The cameras of this board, where there are several: a list on every page, with what goes on there. A node is asked for
 * the others while its page is looked at.
 *
 * @typedef {{name: string, people: number, paused: boolean, alarms: Object[]}} Now
 * @typedef {{name: string, here: boolean, port: ?number, now: ?Now}} Camera
 */

import { read } from "./api.js";
import { counted, make, t, write } from "./words.js";

const PERIOD_MS = 5000;

const list = make("ul", { class: "board" });
const nav = make("nav", { "aria-label": t("board.label") }, list);
let known = ""; // the cameras that are in the list

async function show() {
  /** @type {{cameras: Camera[]}} */
  const { cameras } = document.hidden ? { cameras: null } : await read("/api/board").catch(() => ({ cameras: null }));
  if (cameras?.length === 0) return; // this board has one camera
  if (cameras) update(cameras);
  setTimeout(show, PERIOD_MS);
}

/** @param {Camera[]} cameras */
function update(cameras) {
  const named = JSON.stringify(cameras.map(({ name, port }) => [name, port]));
  if (named !== known) {
    known = named;
    list.replaceChildren(...cameras.map(row));
    document.querySelector("header").after(nav);
  }
  cameras.forEach((camera, at) => {
    const state = list.children[at].querySelector(".state");
    write(state, stateOf(camera));
    state.dataset.alarm = String(open(camera).length > 0);
  });
}

/** @param {Camera} camera */
function row({ name, here, port }) {
  const address = `${location.protocol}//${location.hostname}:${port}/`;
  const link = here || port ? make("a", { href: here ? "/" : address }, name) : make("span", {}, name);
  if (here) link.setAttribute("aria-current", "true");
  return make("li", {}, link, make("span", { class: "state quiet", role: "status" }));
}

/** @param {Camera} camera */
const open = ({ now }) => (now?.alarms ?? []).filter(({ acknowledged }) => !acknowledged);

/** @param {Camera} camera */
function stateOf(camera) {
  const { here, port, now } = camera;
  if (here) return t("board.here");
  if (!port) return t("board.no_page");
  if (!now) return t("board.silent");
  if (open(camera).length) return t("board.alarm");
  return now.paused ? t("board.paused") : counted("board.people", now.people);
}

show();
