/**
 * Draws the camera's view: picture, zones, skeletons with their labels, and a zone that is being drawn.
 *
 * Owns the canvas and the way from shares of the picture to pixels. Knows nothing of where things come from.
 *
 * @typedef {[x: number, y: number]} Point  Shares of the picture's width and height, from the top left.
 * @typedef {{name: string, polygon: Point[], ignore: string[]}} Zone
 * @typedef {{id: number, posture: string, fallen: boolean, landmarks: (number|null)[][],
 *            place?: ?Point, label?: string}} Person  With the place that counts for zones; with a label of their own, or
 *     named by their number and posture.
 * @typedef {{ts_ms: number, size: [number, number], persons: Person[]}} Frame
 * @typedef {{polygon: Point[], held: number, cursor: ?Point}} Draft  A zone in the making: the corner in hand (-1:
 *     none) and where the keyboard's cursor is.
 * @typedef {{size: ?[number, number], persons: Person[], zones: Zone[], picture: ?ImageBitmap, draft: ?Draft}} Things
 */

import { postureText, t } from "./words.js";

const VISIBLE = 0.5; // landmarks that the model itself thinks hidden are not drawn

// Landmarks of MediaPipe's order that are joined; the face is drawn as a head instead.
const BONES = [
  [11, 12], [11, 23], [12, 24], [23, 24], [11, 13], [13, 15], [15, 19], [12, 14], [14, 16], [16, 20],
  [23, 25], [25, 27], [27, 29], [29, 31], [27, 31], [24, 26], [26, 28], [28, 30], [30, 32], [28, 32],
];
const JOINTS = [11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28];
const [NOSE, LEFT_EAR, RIGHT_EAR, LEFT_SHOULDER, RIGHT_SHOULDER] = [0, 7, 8, 11, 12];

// One a person in turn, told apart by the colour-blind too (after Okabe and Ito); red is for falls alone. The same
// colours stand in page.css, for the list of people.
const COLOURS = ["#56b4e9", "#e69f00", "#4fd1a5", "#f0e442", "#e59ac4"];
const RED = "#ff5247";
const DEEP_RED = "#c8201a"; // under white letters
const ACCENT = "#5fd3cb";
const EDGE = "rgb(8 14 18 / 70%)"; // around skeletons, so that they show on any picture
const INK = "#0d1418";
const PAPER = "#e8eef0";

export class Scene {
  #canvas;
  #pen;
  #things;
  #planned = false;
  #view = { x: 0, y: 0, width: 0, height: 0 }; // where the camera's picture lies in the canvas, CSS pixels
  #labels = []; // boxes of the labels drawn so far: later ones make room

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => Things} things  Asked when it is time to draw.
   */
  constructor(canvas, things) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d");
    this.#things = things;
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  /** Draw before the next repaint, once, however much has changed. */
  redraw() {
    if (this.#planned) return;
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      this.#draw(this.#things());
    });
  }

  /** @param {MouseEvent} event @returns {Point} Where in the picture a pointer is, or the nearest place in it. */
  place(event) {
    const { x, y, width, height } = this.#view;
    const share = (pixels, length) => Math.min(1, Math.max(0, pixels / length));
    return [share(event.offsetX - x, width), share(event.offsetY - y, height)];
  }

  /** @param {Point} a @param {Point} b @returns {number} How far they are apart on the screen, CSS pixels. */
  apart(a, b) {
    return distance(this.#pixels(a), this.#pixels(b));
  }

  /** @param {Things} things */
  #draw({ size, persons, zones, picture, draft }) {
    this.#fit(size ?? [4, 3]);
    this.#labels = [];
    const { x, y, width, height } = this.#view;
    if (picture) this.#pen.drawImage(picture, x, y, width, height);
    else this.#thirds();
    for (const zone of zones) this.#zone(zone);
    if (draft) this.#polygon(draft.polygon, "rgb(95 211 203 / 20%)", ACCENT);
    for (const person of persons) this.#skeleton(person);
    for (const person of persons) if (person.place) this.#place(person);
    for (const person of persons) this.#nameTag(person);
    if (draft) this.#handles(draft);
  }

  /** Make the canvas as fine as the screen and find the largest place for the picture in it. */
  #fit([width, height]) {
    const { clientWidth, clientHeight } = this.#canvas;
    const scale = Math.min(clientWidth / width, clientHeight / height);
    const [w, h] = [width * scale, height * scale];
    this.#view = { x: (clientWidth - w) / 2, y: (clientHeight - h) / 2, width: w, height: h };
    const fine = window.devicePixelRatio;
    const [wide, tall] = [Math.round(clientWidth * fine), Math.round(clientHeight * fine)];
    if (this.#canvas.width !== wide) this.#canvas.width = wide; // each change costs a new buffer
    if (this.#canvas.height !== tall) this.#canvas.height = tall;
    this.#pen.resetTransform();
    this.#pen.clearRect(0, 0, wide, tall);
    this.#pen.setTransform(fine, 0, 0, fine, 0, 0);
    this.#pen.lineJoin = this.#pen.lineCap = "round";
  }

  /** Faint lines at thirds, to aim the camera by. */
  #thirds() {
    this.#pen.strokeStyle = "rgb(255 255 255 / 7%)";
    this.#pen.lineWidth = 1;
    this.#pen.beginPath();
    for (const share of [1 / 3, 2 / 3]) {
      this.#segment(this.#pixels([share, 0]), this.#pixels([share, 1]));
      this.#segment(this.#pixels([0, share]), this.#pixels([1, share]));
    }
    this.#pen.stroke();
  }

  #segment(from, to) {
    this.#pen.moveTo(...from);
    this.#pen.lineTo(...to);
  }

  /** @param {Point} point */
  #pixels([x, y]) {
    return [this.#view.x + x * this.#view.width, this.#view.y + y * this.#view.height];
  }

  /** @param {Person} person @returns {(Point|null)[]} Pixels of each landmark that can be seen. */
  #visible({ landmarks }) {
    const seen = ([x, y, visibility]) => x !== null && y !== null && (visibility ?? 1) >= VISIBLE;
    return landmarks.map((landmark) => (seen(landmark) ? this.#pixels(landmark) : null));
  }

  /** @param {Person} person */
  #skeleton(person) {
    const points = this.#visible(person);
    const line = Math.max(2.5, this.#view.height / 100) * (person.fallen ? 1.35 : 1);
    for (const [style, width] of [[EDGE, line + 3], [colour(person), line]]) {
      this.#pen.strokeStyle = style;
      this.#pen.lineWidth = width;
      this.#bones(points);
      this.#head(points);
    }
    this.#pen.fillStyle = "#fff";
    for (const joint of JOINTS) if (points[joint]) this.#dot(points[joint], line * 0.5);
  }

  #bones(points) {
    this.#pen.beginPath();
    for (const [from, to] of BONES) {
      if (points[from] && points[to]) this.#segment(points[from], points[to]);
    }
    this.#pen.stroke();
  }

  /** A circle around the ears' middle; nose and shoulders give its size: in a profile the ears meet. */
  #head(points) {
    const [nose, leftEar, rightEar] = [points[NOSE], points[LEFT_EAR], points[RIGHT_EAR]];
    if (!nose || !points[LEFT_SHOULDER] || !points[RIGHT_SHOULDER]) return;
    const [one, other] = [points[LEFT_SHOULDER], points[RIGHT_SHOULDER]];
    const radius = Math.max(0.45 * distance(nose, middle(one, other)), 0.26 * distance(one, other));
    this.#pen.beginPath();
    this.#pen.arc(...(leftEar && rightEar ? middle(leftEar, rightEar) : nose), radius, 0, 2 * Math.PI);
    this.#pen.stroke();
  }

  #dot([x, y], radius) {
    this.#pen.beginPath();
    this.#pen.arc(x, y, radius, 0, 2 * Math.PI);
    this.#pen.fill();
  }

  /** @param {Person} person */
  #nameTag(person) {
    const points = this.#visible(person).filter(Boolean);
    if (!points.length || person.label === "") return;
    const size = Math.min(20, Math.max(13, this.#view.height / 28)) * (person.fallen ? 1.15 : 1);
    const left = Math.min(...points.map(([x]) => x));
    const top = Math.min(...points.map(([, y]) => y)) - 3 * size; // half a head and the label itself
    const posture = postureText(person.posture);
    const text = person.label ?? `${person.id || "?"}  ${person.fallen ? t("person.tag_fallen", { posture }) : posture}`;
    this.#label(text, [left, top], size, person.fallen ? [DEEP_RED, "#fff"] : [colour(person), INK]);
  }

  /** A ring around the point of the body that counts for zones. @param {Person} person */
  #place(person) {
    const [x, y] = this.#pixels(person.place);
    const radius = Math.max(7, this.#view.height / 45);
    for (const [style, width] of [[EDGE, 6], ["#fff", 2.5]]) {
      this.#pen.strokeStyle = style;
      this.#pen.lineWidth = width;
      this.#pen.beginPath();
      this.#pen.arc(x, y, radius, 0, 2 * Math.PI);
      this.#pen.stroke();
    }
  }

  /** Write on a ground of its own, inside the picture and clear of the labels that are there. */
  #label(text, [left, top], size, [ground, ink]) {
    const { x, y, width, height } = this.#view;
    this.#pen.font = `600 ${size}px system-ui, sans-serif`;
    const box = { width: this.#pen.measureText(text).width + 1.2 * size, height: 1.65 * size };
    box.x = Math.max(x + 4, Math.min(left, x + width - box.width - 4));
    box.y = Math.max(y + 4, Math.min(top, y + height - box.height - 4));
    for (const other of this.#labels) if (overlap(box, other)) box.y = other.y + other.height + 3;
    this.#labels.push(box);
    this.#pen.fillStyle = ground;
    this.#pen.beginPath();
    this.#pen.roundRect(box.x, box.y, box.width, box.height, box.height / 2);
    this.#pen.fill();
    this.#pen.fillStyle = ink;
    this.#pen.textBaseline = "middle";
    this.#pen.fillText(text, box.x + 0.6 * size, box.y + box.height / 2 + 1);
  }

  /** @param {Zone} zone */
  #zone({ name, polygon, ignore }) {
    this.#polygon(polygon, "rgb(255 255 255 / 9%)", "rgb(225 235 238 / 85%)", [7, 6]);
    const [x, y] = this.#pixels(polygon.reduce((low, corner) => (corner[1] > low[1] ? corner : low)));
    const { height } = this.#view;
    const text = ignore.includes("fall") ? t("zones.label_ignored", { name }) : name;
    this.#label(text, [x - 20, y + 6], Math.max(12, height / 45), ["rgb(13 20 24 / 85%)", PAPER]);
  }

  #polygon(polygon, fill, line, dashes = []) {
    this.#pen.beginPath();
    for (const corner of polygon) this.#pen.lineTo(...this.#pixels(corner));
    this.#pen.closePath();
    this.#pen.fillStyle = fill;
    this.#pen.fill();
    this.#pen.setLineDash(dashes);
    this.#pen.lineWidth = 2;
    this.#pen.strokeStyle = line;
    this.#pen.stroke();
    this.#pen.setLineDash([]);
  }

  /** @param {Draft} draft */
  #handles({ polygon, held, cursor }) {
    polygon.forEach((corner, index) => {
      this.#pen.fillStyle = INK;
      this.#dot(this.#pixels(corner), index === held ? 11 : 8);
      this.#pen.fillStyle = index === held ? "#fff" : ACCENT;
      this.#dot(this.#pixels(corner), index === held ? 9 : 6);
    });
    if (cursor) this.#crosshair(this.#pixels(cursor));
  }

  #crosshair([x, y]) {
    for (const [style, width] of [[INK, 5], ["#fff", 2]]) {
      this.#pen.strokeStyle = style;
      this.#pen.lineWidth = width;
      this.#pen.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        this.#segment([x + 5 * dx, y + 5 * dy], [x + 16 * dx, y + 16 * dy]);
      }
      this.#pen.stroke();
    }
  }
}

/** @param {number} id @returns {number} Which of the colours is a person's. */
export const colourOf = (id) => (id + COLOURS.length - 1) % COLOURS.length;

const colour = (person) => (person.fallen ? RED : COLOURS[colourOf(person.id)]);
const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const overlap = (a, b) =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
