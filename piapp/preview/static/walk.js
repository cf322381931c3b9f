/**
 * The walk-through: stand, sit, lie on the bed, lie on the floor, and whether the node recognises each.
 *
 * Judges what the node says of the person who has been there longest; draws nothing and sends nothing.
 *
 * @typedef {"stand"|"sit"|"bed"|"floor"} Step
 * @typedef {{recognised: boolean, after_s: number, false_fall: boolean}} Result
 */

/** @type {Step[]} */
export const STEPS = ["stand", "sit", "bed", "floor"];
const WANTED = { stand: "standing", sit: "sitting", bed: "lying", floor: "lying" };

const HOLD_MS = 1500; // a posture that somebody passes through does not count
const LIMIT_MS = 60_000; // to walk to the bed and lie down, and for the node to see it
const PAUSE_MS = 1500; // to see what was found before the next step

export class Walk {
  /** @type {Object<string, Result>} */ results = {};
  /** @type {?Step} */ step = null;
  #listener;
  #since_ms = 0; // when the step began
  #held_ms = null; // since when the posture is there
  #fell = false;
  #moved = false; // no longer in the posture of the step before
  #timer = 0;

  /**
   * @param {{changed: () => void, recognised: (step: Step, person: any, frame: any) => void, ended: () => void}} listener
   */
  constructor(listener) {
    this.#listener = listener;
  }

  start() {
    this.results = {};
    this.#begin(STEPS[0]);
  }

  /** Go on without this step: not every room has a bed. */
  skip() {
    delete this.results[this.step];
    this.#next();
  }

  stop() {
    clearTimeout(this.#timer);
    this.step = null;
    this.#listener.changed();
  }

  /** @param {import("./scene.js").Frame} frame */
  see(frame) {
    if (!this.step || this.results[this.step]) return;
    const person = frame.persons.find(({ id }) => id > 0);
    if (person?.posture !== WANTED[this.step]) {
      this.#held_ms = null;
      this.#moved ||= Boolean(person) && person.posture !== "unknown";
    } else if (this.#moved) {
      this.#held_ms ??= frame.ts_ms;
      if (frame.ts_ms - this.#held_ms >= HOLD_MS) this.#found(person, frame);
    }
  }

  /** @param {{event_type: string, test?: boolean}} event  Nobody falls in a walk-through. */
  hear({ event_type: type, test }) {
    if (this.step && !test && ["fall", "fallen"].includes(type)) this.#fell = true;
  }

  #begin(step) {
    this.#moved = step !== "floor"; // from the bed: up first
    this.step = step;
    this.#since_ms = performance.now();
    this.#held_ms = null;
    this.#fell = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#judge(false), LIMIT_MS);
    this.#listener.changed();
  }

  #found(person, frame) {
    this.#listener.recognised(this.step, person, frame);
    this.#judge(true);
  }

  #judge(recognised) {
    const after_s = Math.round((performance.now() - this.#since_ms) / 100) / 10;
    this.results[this.step] = { recognised, after_s, false_fall: this.#fell };
    this.#listener.changed();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#next(), PAUSE_MS);
  }

  #next() {
    // A fall is told only after somebody has stayed down: it may come after the step was recognised.
    if (this.results[this.step]) this.results[this.step].false_fall ||= this.#fell;
    const next = STEPS[STEPS.indexOf(this.step) + 1];
    if (next) return this.#begin(next);
    this.stop();
    this.#listener.ended();
  }
}
