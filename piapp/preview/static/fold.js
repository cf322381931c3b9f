/** Which postures belong to a fall: somebody who falls passes through some, which say nothing besides. Pure. */

const BEFORE_MS = 4000;
const AFTER_MS = 3000;
const PASSED = ["posture_changed", "sit_down", "lie_down", "stand_up"];

/**
 * @param {{event_type: string, person: ?number, t: string, test?: boolean}} event
 * @param {{event_type: string, person: ?number, t: string, test?: boolean}} fall
 */
export function belongsToFall(event, fall) {
  if (fall.event_type !== "fall" || fall.test || !PASSED.includes(event.event_type)) return false;
  const apart_ms = Date.parse(event.t) - Date.parse(fall.t);
  return event.person === fall.person && -BEFORE_MS <= apart_ms && apart_ms <= AFTER_MS;
}
