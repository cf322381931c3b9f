/**
 * Zones: the list of them, and drawing them with mouse, finger or keyboard.
 *
 * Owns the zone in the making and the words about it. The node checks and keeps zones; what it says is shown.
 *
 * @typedef {import("./scene.js").Point} Point
 * @typedef {import("./scene.js").Zone} Zone
 * @typedef {import("./scene.js").Scene} Scene
 */

import { putZones } from "./api.js";
import { $, button, make, say, t, write } from "./words.js";

const GRASP_PX = 22; // a finger's reach around a corner
const STEP = 0.02; // of the picture, the cursor's way at a key; five times that with Shift
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Editor {
  /** @type {Zone[]} */ zones = [];
  /** @type {?import("./scene.js").Draft} */ draft = null;
  #canvas;
  /** @type {Scene} */ #scene;
  #changed;
  #listed = ""; // what the list shows
  #original = null; // the zone that is changed; null for a new one
  #before = null; // where the corner in the keyboard's hand was

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} changed  Called when there is something to draw anew, or drawing begins or ends.
   */
  constructor(canvas, changed) {
    this.#canvas = canvas;
    this.#changed = changed;
    $("draw").addEventListener("click", () => this.#open(null));
    $("undo").addEventListener("click", () => this.#takeLast());
    $("cancel").addEventListener("click", () => this.#close());
    $("editor").addEventListener("submit", (event) => this.#submit(event));
    $("editor").addEventListener("keydown", (event) => event.key === "Escape" && this.#close());
    canvas.addEventListener("pointerdown", (event) => this.draft && this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.draft && this.#drag(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => this.#release());
    canvas.addEventListener("keydown", (event) => this.draft && this.#key(event));
  }

  /** @param {Scene} scene */
  drawOn(scene) {
    this.#scene = scene;
  }

  /** The zones to draw as they are: all but the one in hand. */
  get others() {
    return this.zones.filter((zone) => !this.draft || zone.name !== this.#original?.name);
  }

  /** Begin a new zone with corners that are proposed. @param {Zone} zone */
  propose({ name, polygon, ignore }) {
    this.#open(null);
    this.draft.polygon = polygon.map(([x, y]) => [x, y]);
    $("zone-name").value = name;
    $("zone-ignore").checked = ignore.includes("fall");
    this.#changed();
  }

  /** @param {Zone[]} zones @param {boolean} kept  Whether they outlast the node's restart. */
  take(zones, kept) {
    $("zones-note").hidden = kept;
    this.zones = zones;
    const text = JSON.stringify(zones);
    if (text === this.#listed) return; // a button of the list may have the focus
    this.#listed = text;
    $("no-zones").hidden = zones.length > 0;
    $("zones").replaceChildren(...zones.map((zone) => this.#row(zone)));
    this.#changed();
  }

  /** @param {Zone} zone */
  #row(zone) {
    const note = make("p", { class: "quiet" }, zone.ignore.includes("fall") ? t("zones.ignored") : "");
    const name = make("div", { class: "what" }, zone.name, note);
    const edit = button(t("zones.edit"), () => this.#open(zone), { "aria-label": t("zones.edit_name", zone) });
    const remove = button(t("zones.delete"), () => this.#remove(zone), { "aria-label": t("zones.delete_name", zone) });
    return make("li", {}, name, edit, remove);
  }

  /** @param {?Zone} zone  The one to change, or null to draw a new one. */
  #open(zone) {
    this.#original = zone;
    this.#before = null;
    this.draft = { polygon: zone ? zone.polygon.map(([x, y]) => [x, y]) : [], held: -1, cursor: null };
    write($("editor-title"), zone ? t("zones.change", zone) : t("zones.new"));
    $("zone-name").value = zone?.name ?? "";
    $("zone-ignore").checked = zone?.ignore.includes("fall") ?? false;
    write($("editor-error"), "");
    write($("zones-said"), "");
    this.#show(true);
    this.#canvas.focus();
  }

  #close() {
    this.draft = this.#original = this.#before = null;
    this.#show(false);
    $("draw").focus();
  }

  /** While a zone is drawn the canvas takes keys and gestures; otherwise it is a picture that scrolls by. */
  #show(drawing) {
    $("editor").hidden = !drawing;
    $("draw").hidden = drawing;
    $("undo").hidden = !drawing;
    this.#canvas.classList.toggle("drawing", drawing);
    const roles = drawing ? { role: "application", tabindex: "0", "aria-describedby": "editor-help" } : { role: "img" };
    for (const name of ["tabindex", "aria-describedby"]) this.#canvas.removeAttribute(name);
    for (const [name, value] of Object.entries(roles)) this.#canvas.setAttribute(name, value);
    this.#changed();
  }

  // ---- corners ----

  /** @param {Point} place @returns {number} The corner within reach, or -1. */
  #near(place) {
    const reach = this.draft.polygon.map((corner) => this.#scene.apart(corner, place));
    const nearest = reach.indexOf(Math.min(...reach));
    return reach[nearest] <= GRASP_PX ? nearest : -1;
  }

  /** Set a corner: after the last one of a new zone, into the nearest side of one that is there. */
  #add(place) {
    const { polygon } = this.draft;
    const at = this.#original && polygon.length > 2 ? this.#nearestSide(place) + 1 : polygon.length;
    polygon.splice(at, 0, place);
    say(t("corner.set", { number: polygon.length }), "drawn");
    return at;
  }

  /** The side whose ends are the shortest detour away begins at this corner. */
  #nearestSide(place) {
    const { polygon } = this.draft;
    const apart = (a, b) => this.#scene.apart(a, b);
    const detours = polygon.map((corner, k) => {
      const next = polygon[(k + 1) % polygon.length];
      return apart(corner, place) + apart(place, next) - apart(corner, next);
    });
    return detours.indexOf(Math.min(...detours));
  }

  #takeLast() {
    if (!this.draft.polygon.pop()) return;
    this.draft.held = -1;
    this.#before = null;
    say(t("corner.removed", { left: this.draft.polygon.length }), "drawn");
    this.#changed();
  }

  // ---- mouse and finger ----

  #press(event) {
    if (event.button !== 0) return;
    const place = this.#scene.place(event);
    const corner = this.#near(place);
    this.draft.held = corner >= 0 ? corner : this.#add(place);
    this.draft.cursor = this.#before = null;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#changed();
  }

  #drag(event) {
    if (this.draft.held < 0 || !this.#canvas.hasPointerCapture(event.pointerId)) return;
    this.draft.polygon[this.draft.held] = this.#scene.place(event);
    this.#changed();
  }

  #release() {
    if (!this.draft || this.#before) return;
    this.draft.held = -1;
    this.#changed();
  }

  // ---- keyboard ----

  #key(event) {
    const { draft } = this;
    const arrow = ARROWS[event.key];
    if (arrow) this.#move(arrow, event.shiftKey ? 5 * STEP : STEP);
    else if (event.key === "Enter" || event.key === " ") this.#setOrTake();
    else if (event.key === "Backspace") this.#takeLast();
    else if (event.key === "Escape" && this.#before) this.#putBack();
    else if (event.key === "Escape") return this.#close();
    else return;
    event.preventDefault();
    if (draft === this.draft) this.#changed();
  }

  /** Move the cursor, and with it the corner in hand. */
  #move([dx, dy], step) {
    const { draft } = this;
    const [x, y] = draft.cursor ?? [0.5, 0.5];
    const to = (value) => Math.round(Math.min(1, Math.max(0, value)) * 1000) / 1000;
    draft.cursor = draft.cursor ? [to(x + dx * step), to(y + dy * step)] : [x, y]; // the first key only shows it
    if (draft.held >= 0) draft.polygon[draft.held] = draft.cursor;
    const [right, down] = draft.cursor.map((share) => Math.round(100 * share));
    const corner = draft.held < 0 ? this.#near(draft.cursor) : -1;
    const text = t("corner.place", { right, down });
    say(corner >= 0 ? t("corner.at", { place: text, number: corner + 1 }) : text, "drawn");
  }

  #setOrTake() {
    const { draft } = this;
    draft.cursor ??= [0.5, 0.5];
    if (draft.held >= 0) {
      say(t("corner.down", { number: draft.held + 1 }), "drawn");
      draft.held = -1;
      this.#before = null;
      return;
    }
    const corner = this.#near(draft.cursor);
    if (corner < 0) return void this.#add(draft.cursor);
    this.#before = draft.polygon[corner];
    draft.held = corner;
    say(t("corner.up", { number: corner + 1 }), "drawn");
  }

  #putBack() {
    this.draft.polygon[this.draft.held] = this.#before;
    this.draft.held = -1;
    this.#before = null;
    say(t("corner.back"), "drawn");
  }

  // ---- to the node ----

  async #submit(event) {
    event.preventDefault();
    const name = $("zone-name").value.trim();
    const mistake = this.#mistake(name);
    if (mistake) return this.#refuse(...mistake);
    const round = (share) => Math.round(share * 10000) / 10000;
    const polygon = this.draft.polygon.map(([x, y]) => [round(x), round(y)]);
    const zone = { name, polygon, ignore: $("zone-ignore").checked ? ["fall"] : [] };
    const known = this.zones.some((one) => one.name === this.#original?.name);
    const all = known
      ? this.zones.map((one) => (one.name === this.#original.name ? zone : one))
      : [...this.zones, zone];
    const error = await this.#send(all);
    if (error) return this.#refuse(error, null);
    this.#close();
    write($("zones-said"), t("zones.saved", { name }));
  }

  /** @returns {?[string, HTMLElement]} What is wrong, and where to mend it. */
  #mistake(name) {
    if (this.draft.polygon.length < 3) return [t("zones.few_corners"), this.#canvas];
    if (!name) return [t("zones.no_name"), $("zone-name")];
    const taken = this.zones.some((zone) => zone.name === name && zone.name !== this.#original?.name);
    return taken ? [t("zones.name_taken", { name }), $("zone-name")] : null;
  }

  #refuse(words, where) {
    write($("editor-error"), words);
    where?.focus();
  }

  /** @param {Zone} zone */
  async #remove(zone) {
    const before = this.zones;
    const error = await this.#send(before.filter((one) => one.name !== zone.name));
    if (error) return write($("zones-said"), error);
    const undo = button(t("button.undo"), async () => {
      write($("zones-said"), (await this.#send(before)) || t("zones.restored", zone));
      $("draw").focus();
    });
    $("zones-said").replaceChildren(`${t("zones.deleted", zone)} `, undo);
    undo.focus();
  }

  /** @param {Zone[]} zones @returns {Promise<string>} What is wrong, empty when they are taken over. */
  async #send(zones) {
    try {
      const answer = await putZones(zones);
      this.take(answer.zones, answer.kept);
      return "";
    } catch (error) {
      return t("zones.not_saved", { error: error.message });
    }
  }
}
