/** The film of a kept alarm: its skeletons, drawn in the browser from the landmarks that were kept. */

import { read } from "./api.js";
import { Scene } from "./scene.js";
import { button, clock, happened, make, t, write } from "./words.js";

const VALUES = 3; // x, y, visibility, in thousandths

/**
 * @param {HTMLElement} place  Where to show it; a film that is there already is taken away.
 * @param {import("./history.js").Case} one
 */
export async function showFilm(place, one) {
  if (place.childElementCount) return place.replaceChildren();
  const film = await read(`/api/case?id=${encodeURIComponent(one.id)}`);
  place.replaceChildren(...new Film(film).parts);
}

class Film {
  #film;
  #scene;
  #at_ms = 0;
  #playing = 0; // the animation's handle while it plays
  #began_ms = 0; // on the browser's clock, where the film would have begun
  #play = button("", () => (this.#playing ? this.#stop() : this.#start()));
  #slider;
  #words = make("span", { class: "quiet" });
  #end_ms;

  constructor(film) {
    this.#film = film;
    this.#end_ms = film.frames.at(-1)?.[0] ?? 0;
    const seconds = Math.round(this.#end_ms / 1000);
    const events = film.events.map((event) => `${clock(event.t)} ${happened(event)}`).join(", ");
    const label = t("history.film_label", { seconds, events });
    const canvas = make("canvas", { role: "img", "aria-label": label });
    canvas.style.aspectRatio = film.size.join("/");
    this.#slider = make("input", { type: "range", min: "0", max: String(this.#end_ms), step: "100", "aria-label": t("history.position") });
    this.#slider.addEventListener("input", () => this.#show(Number(this.#slider.value)));
    this.#scene = new Scene(canvas, () => this.#things());
    this.parts = [canvas, make("div", { class: "tools player" }, this.#play, this.#slider, this.#words)];
    const first = film.events[0]?.at_ms ?? 0;
    this.#show(Math.max(0, first - 3000)); // where it becomes interesting
    write(this.#play, t("history.play"));
  }

  #start() {
    if (this.#at_ms >= this.#end_ms) this.#show(0);
    this.#began_ms = performance.now() - this.#at_ms;
    this.#playing = requestAnimationFrame(() => this.#step());
    write(this.#play, t("history.stop"));
  }

  #stop() {
    cancelAnimationFrame(this.#playing);
    this.#playing = 0;
    write(this.#play, t("history.play"));
  }

  #step() {
    if (!this.#slider.isConnected) return this.#stop();
    this.#show(Math.min(this.#end_ms, performance.now() - this.#began_ms));
    if (this.#at_ms >= this.#end_ms) this.#stop();
    else this.#playing = requestAnimationFrame(() => this.#step());
  }

  #show(at_ms) {
    this.#at_ms = at_ms;
    if (this.#playing) this.#began_ms = performance.now() - at_ms;
    this.#slider.value = String(at_ms);
    const [at, all] = [at_ms, this.#end_ms].map((ms) => (ms / 1000).toFixed(1));
    write(this.#words, t("history.seconds", { at, all }));
    this.#slider.setAttribute("aria-valuetext", this.#words.textContent);
    this.#scene.redraw();
  }

  /** What is to be drawn now: the last frame that is not later. */
  #things() {
    const { frames, size, zones, events } = this.#film;
    const [, ...people] = frames.findLast(([ms]) => ms <= this.#at_ms) ?? frames[0] ?? [0];
    const down = events.findLast(({ at_ms: ms }) => ms <= this.#at_ms);
    const fallen = down !== undefined && down.event_type !== "recovered";
    const label = fallen ? t("history.tag_fallen") : "";
    const persons = people.map((points, k) => ({ id: k + 1, posture: "unknown", fallen, label, landmarks: rows(points) }));
    return { size, persons, zones, picture: null, draft: null };
  }
}

/** 99 whole numbers as 33 rows of x, y and visibility. */
function rows(points) {
  const share = (value) => (value === null ? null : value / 1000);
  return Array.from({ length: points.length / VALUES }, (_, k) => points.slice(VALUES * k, VALUES * (k + 1)).map(share));
}
