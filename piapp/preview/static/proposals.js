/**
 * Zones that are proposed: from where somebody lay or sat in the walk-through, and where people usually lie. Pure.
 *
 * @typedef {import("./scene.js").Point} Point
 * @typedef {{x: number, y: number, reach_x: number, reach_y: number, times: number}} LyingPlace
 */

const VISIBLE = 0.5;
const HIPS = [23, 24];
const SEAT = [11, 12, 23, 24, 25, 26]; // shoulders, hips, knees
const BODY = [0, 11, 12, 23, 24, 25, 26, 27, 28]; // nose, shoulders to ankles

// A bed is longer and wider than who lies in it, a seat wider than who sits on it. Shares of what the body covers.
const BED = { along: 0.12, across: 0.6, least: 0.3 };
const SEATS = { along: 0.1, across: 0.35, least: 0.5 };
const CORNERS = 8; // of the polygon around a usual place

/** @param {{landmarks: number[][]}} person @param {number[]} size @returns {?Point[]} Around a bed that somebody lies in. */
export const bedAround = (person, size) => around(person, size, BODY, BED);

/** @returns {?Point[]} Around a seat that somebody sits on. */
export const seatAround = (person, size) => around(person, size, SEAT, SEATS, [0, 1]);

/** @param {LyingPlace} place @returns {Point[]} Around somewhere that people usually lie. */
export function placeAround({ x, y, reach_x: rx, reach_y: ry }) {
  return Array.from({ length: CORNERS }, (_, k) => {
    const angle = (2 * Math.PI * k) / CORNERS;
    return rounded([x + rx * Math.cos(angle), y + ry * Math.sin(angle)]);
  });
}

/** @param {{landmarks: number[][]}} person @returns {?Point} Between the hips. */
export function hips({ landmarks }) {
  const points = seen(landmarks, HIPS);
  return points.length ? middle(points) : null;
}

/** A box along the body, or along a given direction, wider than the body by shares of it. */
function around({ landmarks }, [width, height], which, { along, across, least }, direction) {
  const points = seen(landmarks, which).map(([x, y]) => [x * width, y * height]);
  if (points.length < 4) return null;
  const axis = direction ?? axisOf(points);
  const side = [-axis[1], axis[0]];
  const [from, to] = spread(points, axis, along, 0);
  const [left, right] = spread(points, side, across, least * (to - from));
  const corner = (a, b) => rounded([(a * axis[0] + b * side[0]) / width, (a * axis[1] + b * side[1]) / height]);
  return [corner(from, left), corner(to, left), corner(to, right), corner(from, right)];
}

/** From where to where points reach in a direction, widened by a share and to a least length. */
function spread(points, [dx, dy], share, least) {
  const at = points.map(([x, y]) => x * dx + y * dy);
  const [low, high] = [Math.min(...at), Math.max(...at)];
  const half = Math.max((high - low) * (0.5 + share), least / 2);
  return [(low + high) / 2 - half, (low + high) / 2 + half];
}

/** The direction in which points lie farthest apart: of their largest variance. */
function axisOf(points) {
  const [mx, my] = middle(points);
  let [xx, xy, yy] = [0, 0, 0];
  for (const [x, y] of points) {
    xx += (x - mx) ** 2;
    xy += (x - mx) * (y - my);
    yy += (y - my) ** 2;
  }
  const angle = Math.atan2(2 * xy, xx - yy) / 2;
  return [Math.cos(angle), Math.sin(angle)];
}

const seen = (landmarks, which) =>
  which.map((k) => landmarks[k]).filter(([x, y, visible]) => x !== null && y !== null && (visible ?? 1) >= VISIBLE);
const middle = (points) => [0, 1].map((k) => points.reduce((sum, point) => sum + point[k], 0) / points.length);
const rounded = (point) => point.map((share) => Math.round(Math.min(1, Math.max(0, share)) * 10000) / 10000);
