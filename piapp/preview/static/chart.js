/** Draws a day: for each ten minutes how much of the time which posture was seen, and marks for alarms. */

const NAMESPACE = "http://www.w3.org/2000/svg";
const DAY_MINUTES = 24 * 60;
const HEIGHT = 120;
const AXIS = 4;

// From the floor up; what is not listed comes last.
const ORDER = ["lying", "squatting", "bending", "sitting", "standing", "kneeling", "unknown"];

/** @param {HTMLElement} place @param {import("./history.js").Day} day */
export function drawDay(place, day) {
  const svg = shape("svg", { viewBox: `0 0 ${DAY_MINUTES} ${HEIGHT + AXIS}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const [number, slot] of Object.entries(day.slots)) svg.append(...bars(Number(number) * day.slot_minutes, day.slot_minutes, slot));
  for (let hour = 0; hour <= 24; hour += 3) svg.append(line(hour * 60));
  for (const event of day.events) if (event.type === "fall" || event.type === "fallen") svg.append(alarmMark(event.t));
  const hours = document.createElement("div");
  hours.className = "hours";
  hours.setAttribute("aria-hidden", "true");
  for (let hour = 0; hour <= 24; hour += 6) hours.append(Object.assign(document.createElement("span"), { textContent: `${hour}:00` }));
  place.replaceChildren(svg, hours);
}

/** A column: grey for what was watched, and upon it the share of each posture. */
function* bars(x, width, { watched_s: watched = 0, postures = {} }) {
  const full = width * 60;
  const height = (HEIGHT * Math.min(watched, full)) / full;
  yield shape("rect", { class: "watched", x, y: HEIGHT - height, width, height });
  let top = HEIGHT;
  const seconds = Object.values(postures).reduce((sum, s) => sum + s, 0);
  const scale = HEIGHT / Math.max(full, seconds); // two people are seen for twice the time
  const names = Object.keys(postures).sort((a, b) => place(a) - place(b));
  for (const name of names) {
    top -= postures[name] * scale;
    yield shape("rect", { class: "posture", "data-posture": name, x, y: top, width, height: postures[name] * scale });
  }
}

const place = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
const line = (x) => shape("line", { x1: x, x2: x, y1: 0, y2: HEIGHT + 4 });

function alarmMark(when) {
  const date = new Date(when);
  const x = date.getHours() * 60 + date.getMinutes();
  return shape("path", { class: "alarm-mark", d: `M${x} ${HEIGHT} V0 l14 8 l-14 8` });
}

function shape(tag, attributes) {
  const node = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}
