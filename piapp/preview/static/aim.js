/** Whether the camera stands well: what somebody who stands in view shows of it. Pure, but for the texts. */

import { t } from "./words.js";

const VISIBLE = 0.5;
const LEAST_SHARE = 0.3; // of the picture's height; below it the lite model loses people
const HEAD = 1.08; // the crown above the eyes, as a share of the rest of the body
const [HIGH, LOW] = [[0, 2, 5, 7, 8], [27, 28, 29, 30, 31, 32]]; // nose, eyes, ears; ankles, heels, toes
const UPRIGHT = ["standing"];

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

/** Heights of those of some landmarks that can be seen, as shares of the picture from the top. */
const heights = (landmarks, which) =>
  which.map((k) => landmarks[k]).filter(([, y, seen]) => y !== null && (seen ?? 1) >= VISIBLE).map(([, y]) => y);
