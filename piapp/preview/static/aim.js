/** Whether the camera stands well: what somebody who stands in view shows of it. Pure, but for the texts. */

import { t } from "./words.js";

const VISIBLE = 0.5;
const LEAST_SHARE = 0.3; // of the picture's height; below it the lite model loses people
const HEAD = 1.08; // the crown above the eyes, as a share of the rest of the body
const [HIGH, LOW] = [[0, 2, 5, 7, 8], [27, 28, 29, 30, 31, 32]]; // nose, eyes, ears; ankles, heels, toes
const UPRIGHT = ["standing"];
const [SHOULDERS, ANKLES] = [[11, 12], [27, 28]];
const MIDDLE = 0.25; // of the width beside the middle: farther out, a camera that looks down makes upright people lean
const LEAN_DEG = 6; // more than people lean who stand

/** @param {import("./scene.js").Person[]} people @returns {string} What to do about it; empty where nobody stands. */
export function aimHint(people) {
  const hints = people.filter(({ posture, fallen }) => UPRIGHT.includes(posture) && !fallen).map(hint);
  return hints.filter(Boolean).join(" ");
}

/** @param {import("./scene.js").Person} person */
function hint({ landmarks }) {
  const [top, bottom] = [heights(landmarks, HIGH), heights(landmarks, LOW)];
  if (!top.length || !bottom.length) return t("aim.cut");
  const [crown, sole] = [Math.min(...top), Math.max(...bottom)];
  const share = HEAD * (sole - crown);
  if (crown < 0.01 || sole > 0.99) return t("aim.cut");
  const percent = { share: Math.round(100 * share) };
  return t(share < LEAST_SHARE ? "aim.far" : "aim.good", percent);
}

/**
 * How far somebody who stands leans in the picture, in degrees: positive to the right, as if the camera were turned to
 * the left. @param {import("./scene.js").Frame} frame @returns {?number} null where nobody stands in the middle.
 */
export function lean({ persons, size }) {
  const found = persons.find(({ posture, fallen }) => UPRIGHT.includes(posture) && !fallen);
  const [upper, lower] = [SHOULDERS, ANKLES].map((pair) => found && middleOf(found.landmarks, pair));
  if (!upper || !lower || Math.abs(lower[0] - 0.5) > MIDDLE) return null;
  const across = (upper[0] - lower[0]) * size[0];
  return (Math.atan2(across, (lower[1] - upper[1]) * size[1]) * 180) / Math.PI;
}

/** Whether the camera stands level. @param {number[]} leans  The last ones, in degrees. @returns {string} */
export function levelHint(leans) {
  if (!leans.length) return "";
  const degrees = [...leans].sort((a, b) => a - b)[Math.floor(leans.length / 2)];
  if (Math.abs(degrees) < LEAN_DEG) return t("aim.level");
  return t(degrees > 0 ? "aim.leans_right" : "aim.leans_left", { degrees: Math.round(Math.abs(degrees)) });
}

function middleOf(landmarks, pair) {
  const [one, other] = pair.map((k) => landmarks[k]);
  if ([one, other].some(([x, y, seen]) => x === null || y === null || (seen ?? 1) < VISIBLE)) return null;
  return [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
}

/** Heights of those of some landmarks that can be seen, as shares of the picture from the top. */
const heights = (landmarks, which) =>
  which.map((k) => landmarks[k]).filter(([, y, seen]) => y !== null && (seen ?? 1) >= VISIBLE).map(([, y]) => y);
