/** The list of what happened, newest first; postures that somebody passes through in a fall are folded into it. */

import { belongsToFall } from "./fold.js";
import { $, clock, concerns, counted, happened, make, write } from "./words.js";

const EVENTS_SHOWN = 50;

/** Which event a row shows. @type {WeakMap<HTMLElement, import("./page.js").PostureEvent>} */
const shown = new WeakMap();

/** @param {string} id @returns {boolean} Whether the list has this event: the last ones come again with each connection. */
export const isListed = (id) => [...$("events").querySelectorAll("li")].some((row) => row.dataset.id === id);

/** @param {import("./page.js").PostureEvent} event */
export function listEvent(event) {
  const row = make("li", { "data-type": event.event_type, "data-id": event.id });
  row.append(make("time", { datetime: event.t }, clock(event.t)), make("span", { class: "what" }, happened(event)));
  row.append(make("span", { class: "quiet" }, concerns(event)));
  shown.set(row, event);
  const rows = [...$("events").children];
  const fall = rows.find((one) => belongsToFall(event, shown.get(one)));
  if (fall) return fold(fall, row);
  $("events").prepend(row);
  for (const one of rows.reverse()) if (belongsToFall(shown.get(one), event)) fold(row, one);
  $("events").hidden = false;
  $("no-events").hidden = true;
  if ($("events").childElementCount > EVENTS_SHOWN) $("events").lastElementChild.remove();
}

/** Put a row into the fall's own. */
function fold(fall, row) {
  if (!fall.querySelector("details")) fall.append(make("details", {}, make("summary"), make("ol", { class: "plain" })));
  const list = fall.querySelector("ol");
  list.prepend(row);
  write(fall.querySelector("summary"), counted("events.folded", list.childElementCount));
}
