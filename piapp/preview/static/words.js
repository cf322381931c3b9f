/** Texts in the viewer's language, and small ways to put them on the page. */

/** @param {string} id @returns {any} The element of the page. */
export const $ = (id) => document.getElementById(id);

/** @type {Object<string, string>} */
const texts = await (await fetch("/texts")).json();
const plurals = new Intl.PluralRules(document.documentElement.lang);

/** A text of the viewer's language, with values in the place of `{names}`. */
export function t(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (mark, name) => values[name] ?? mark);
}

/** Whether there is a text of this key: newer nodes may send names that no text is known for. */
export const hasText = (key) => key in texts;

/** A text about a number of things. */
export function counted(key, count) {
  const form = `${key}.${plurals.select(count)}`;
  return t(hasText(form) ? form : `${key}.other`, { count });
}

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

export const who = (id) => (id ? t("person.known", { id }) : t("person.unknown"));
export const postureText = (posture) => (hasText(`posture.${posture}`) ? t(`posture.${posture}`) : posture);

/** A time of the node's as this screen's clock shows it. */
export const timeOf = (when) =>
  new Date(when).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The same, with the date when it is not today. */
export function clock(when) {
  const date = new Date(when);
  const today = date.toDateString() === new Date().toDateString();
  return today ? timeOf(when) : `${date.toLocaleDateString()} ${timeOf(when)}`;
}

/** @param {import("./scene.js").Person} person */
export function describe({ id, posture, fallen }) {
  return t(fallen ? "person.line_fallen" : "person.line", { who: who(id), posture: postureText(posture) });
}

/** What happened; an event of a newer node by its own name, and a test as one. */
export function happened({ event_type: type, evidence, posture, zones, test }) {
  const event = eventText(type, evidence ?? {}, posture, zones ?? []);
  return test ? t("event.test", { event }) : event;
}

function eventText(type, { side, kind, count }, posture, zones) {
  if (!hasText(`event.${type}`)) return type.replaceAll("_", " ");
  if (type === "posture_changed" && posture === "unknown") return t("event.posture_unknown");
  const exercise = hasText(`exercise.${kind}`) ? t(`exercise.${kind}`) : kind;
  const hand = hasText(`side.${side}`) ? t(`side.${side}`) : side;
  return t(`event.${type}`, { posture: postureText(posture), side: hand, kind: exercise, count, zones: zones.join(", ") });
}

/** Whom it happened to, and how they are now; empty for what concerns nobody. */
export const concerns = ({ person, posture }) =>
  person === null ? "" : t("person.concerns", { who: who(person), posture: postureText(posture) });

// ---- what all pages have ----

for (const link of document.querySelectorAll("nav a")) {
  if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
}

const language = $("language");
language.value = document.documentElement.lang;
language.addEventListener("change", () => {
  document.cookie = `piapp_language=${language.value}; path=/; max-age=31536000; SameSite=Lax`;
  location.reload();
});
