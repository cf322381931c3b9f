/** Words for people: what happened, who is there, what is read out; and small ways to put them on the page. */

/** @param {string} id @returns {any} The element of the page. */
export const $ = (id) => document.getElementById(id);

/** Write a text, but only when it differs: a screen reader takes each change for news. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Make an element of a tag, attributes and children; text among them stays text. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function button(text, action, attributes = {}) {
  const node = make("button", { type: "button", ...attributes }, text);
  node.addEventListener("click", action);
  return node;
}

/**
 * Have something read out: "polite" after what is being read, "urgent" at once, "drawn" politely what drawing does,
 * which events that come meanwhile do not push away.
 * @param {string} text
 * @param {"polite" | "urgent" | "drawn"} how
 */
export function say(text, how) {
  $(how).textContent = text;
}

export const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
export const who = (id) => (id ? `Person ${id}` : "Somebody");

/** A time of the node's as this screen's clock shows it, with the date when it is not today. */
export function clock(t) {
  const date = new Date(t);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString()} ${time}`;
}

/** @param {import("./scene.js").Person} person */
export function describe({ id, posture, fallen }) {
  const words = posture === "unknown" ? "posture not recognised" : posture;
  return `${who(id)}: ${fallen ? "fallen, " : ""}${words}`;
}

// Each takes the event's evidence, posture and zones.
const HAPPENED = {
  person_entered: () => "Came in",
  person_left: () => "Left",
  posture_changed: (_, posture) => (posture === "unknown" ? "Posture not recognised" : `Now ${posture}`),
  sit_down: () => "Sat down",
  stand_up: () => "Stood up",
  lie_down: () => "Lay down",
  fall: () => "Fall",
  fallen: () => "Still on the floor",
  recovered: () => "Up again after a fall",
  hand_raised: ({ side }) => `Raised the ${side} hand`,
  hand_lowered: ({ side }) => `Lowered the ${side} hand`,
  wave: () => "Waved",
  inactive: () => "Has not moved for a while",
  active: () => "Moves again",
  zone_entered: (_, __, zones) => `Entered ${zones.join(", ")}`,
  zone_left: (_, __, zones) => `Left ${zones.join(", ")}`,
  repetition: ({ kind, count: number }) => `${EXERCISES[kind] ?? kind} ${number}`,
  camera_lost: () => "Camera lost",
  camera_back: () => "Camera is back",
};
const EXERCISES = { squat: "Squat", push_up: "Push-up", jumping_jack: "Jumping jack" };

/** What happened; an event of a newer node by its own name, and a test as one. */
export function happened({ event_type: type, evidence, posture, zones, test }) {
  return (HAPPENED[type]?.(evidence, posture, zones) ?? type.replaceAll("_", " ")) + (test ? " (test)" : "");
}

/** Whom it happened to, and how they are now; empty for what concerns nobody. */
export const concerns = ({ person, posture }) => (person === null ? "" : `${who(person)}, ${posture}`);
