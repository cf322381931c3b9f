/**
 * The settings: each key with its explanation, range and default; a change is sent at once and can be undone.
 *
 * Everything about the keys comes from the node, which makes it of the configuration's own schema. What changes often
 * stands first under names for people, with an explanation in the viewer's language where there is one.
 *
 * @typedef {{key: string, kind: string, default: any, value: any, takes: "nothing"|"restart"|"file",
 *            description?: string, choices?: any[], least?: number, above?: number, most?: number,
 *            max_length?: number}} Key
 * @typedef {{t: string, by: string, before: Object<string, any>, after: Object<string, any>}} Change
 */

import { act, putZones, read } from "./api.js";
import { $, button, clock, counted, hasText, make, t, write } from "./words.js";
import { offerRestart } from "./restart.js";

const OFTEN = [
  "posture.fall_sensitivity", "posture.found_lying_s", "posture.fallen_after_s", "posture.repeat_alarm_s",
  "posture.inactive_after_s", "power.idle_fps", "node.name", "node.area", "camera.rotation", "landmarker.num_poses",
];
const SENSITIVITY = "posture.fall_sensitivity";
const ZONES = "zones";

/** @type {{keys: Key[], pending: Object<string, any>, kept: boolean, rates: any, changes: Change[]}} */
let settings;
let forms = 0; // to give each form's parts names of their own

async function load() {
  try {
    settings = await read("/api/settings");
  } catch (error) {
    return write($("error"), error.message);
  } finally {
    $("loading").hidden = true;
  }
  $("not-kept").hidden = settings.kept;
  const keys = new Map(settings.keys.map((key) => [key.key, key]));
  $("often").replaceChildren(...OFTEN.filter((name) => keys.has(name)).map((name) => keyRow(keys.get(name), true)));
  listSections();
  search(); // somebody may have begun to type
  listChanges();
  showPending();
}

/** All keys by their tables, which are closed until somebody opens or searches them. */
function listSections() {
  /** @type {Map<string, Key[]>} */ const tables = new Map();
  for (const key of settings.keys) tables.set(tableOf(key.key), [...(tables.get(tableOf(key.key)) ?? []), key]);
  tables.delete("");
  $("sections").replaceChildren(...[...tables].map(([table, keys]) => section(table, keys)));
}

const tableOf = (key) => key.slice(0, Math.max(0, key.lastIndexOf(".")));

/** @param {string} table @param {Key[]} keys */
function section(table, keys) {
  const list = make("ul", { class: "keys-list" });
  const details = make("details", { "data-table": table }, make("summary", {}, `[${table}]`), list);
  const fill = () => list.childElementCount || list.replaceChildren(...keys.map((key) => keyRow(key, false)));
  details.addEventListener("toggle", () => details.open && fill());
  details.fill = fill;
  return details;
}

$("search").addEventListener("input", search);

function search() {
  const wanted = $("search").value.trim().toLowerCase();
  let found = 0;
  for (const details of $("sections").children) {
    if (wanted) details.fill();
    const rows = [...details.querySelectorAll("li")];
    for (const row of rows) row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
    const shown = rows.filter((row) => !row.hidden).length;
    found += shown;
    details.hidden = wanted !== "" && shown === 0;
    details.open = wanted !== "" && shown > 0;
  }
  write($("found"), wanted ? counted("settings.found", found) : "");
}

// ---- one key ----

/** @param {Key} key @param {boolean} named  Whether to use names for people, where there are some. */
function keyRow(key, named) {
  const id = `key-${(forms += 1)}`;
  const label = named && hasText(`label.${key.key}`) ? t(`label.${key.key}`) : key.key;
  const status = make("p", { id: `${id}-status`, class: "said", role: "status" });
  const input = inputOf(key, id);
  input.setAttribute("aria-describedby", `${id}-help ${id}-status`);
  const back = button(t("settings.to_default"), () => send(key, key.default, status), {
    class: "small", "aria-label": t("settings.to_default_key", { key: key.key }),
  });
  const show = () => {
    setInput(key, input, valueOf(key));
    back.hidden = key.takes === "file" || same(valueOf(key), key.default);
  };
  shown.push({ key, show });
  show();
  input.addEventListener("change", () => change(key, input, status));
  const help = make("div", { id: `${id}-help` }, ...helpOf(key, named));
  const head = make("div", { class: "key-head" }, make("label", { for: id }, label));
  if (label !== key.key) head.append(make("code", { class: "quiet" }, key.key));
  const control = make("div", { class: "key-control" }, input, back);
  return make("li", { "data-key": key.key }, head, control, help, status);
}

/** Rows that show a key: it may stand among what is often changed and in its table. */
const shown = [];

/** @param {Key} key */
const valueOf = (key) => settings.pending[key.key] ?? key.value;
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** @param {Key} key */
function inputOf(key, id) {
  const disabled = key.takes === "file" || key.kind === "other" ? { disabled: "" } : {};
  if (key.kind === "choice") {
    const options = key.choices.map((choice, k) => make("option", { value: String(k) }, String(choice)));
    return make("select", { id, ...disabled }, ...options);
  }
  if (key.kind === "switch") return make("input", { id, type: "checkbox", role: "switch", ...disabled });
  const mode = key.kind.endsWith("number") && !key.choices ? { inputmode: "decimal" } : {};
  const length = key.max_length ? { maxlength: String(Math.min(key.max_length, 256)) } : {};
  return make("input", { id, autocomplete: "off", ...mode, ...length, ...disabled });
}

/** @param {Key} key */
function setInput(key, input, value) {
  if (key.kind === "choice") input.value = String(key.choices.findIndex((choice) => same(choice, value)));
  else if (key.kind === "switch") input.checked = value;
  else input.value = typeof value === "string" ? value : JSON.stringify(value);
}

/** @param {Key} key @returns {any} What the input holds; undefined when that is no value of its kind. */
function inputValue(key, input) {
  if (key.kind === "choice") return key.choices[Number(input.value)];
  if (key.kind === "switch") return input.checked;
  const text = input.value.trim();
  if (key.kind === "text" || key.choices?.includes(text)) return text;
  const number = Number(text.replace(",", "."));
  return text === "" || Number.isNaN(number) ? undefined : number;
}

/** @param {Key} key */
function helpOf(key, named) {
  const explained = named && hasText(`explain.${key.key}`);
  const text = explained ? t(`explain.${key.key}`) : key.description ?? "";
  const parts = [make("p", { class: "quiet", ...(explained ? {} : { lang: "en" }) }, text)];
  if (key.key === SENSITIVITY) parts.push(...ratesOf(key));
  const takes = t(`settings.takes_${key.takes}`);
  const line = [rangeOf(key), t("settings.default", { value: shownValue(key.default) }), takes];
  parts.push(make("p", { class: "quiet" }, line.filter(Boolean).join(" · ")));
  return parts;
}

/** @param {Key} key */
function rangeOf({ least, above, most, choices, kind }) {
  if (kind === "choice") return "";
  const words = choices?.length ? ` ${t("settings.or", { words: choices.join(", ") })}` : "";
  if (above !== undefined) return t("settings.above", { above, most }) + words;
  return most === undefined ? "" : t("settings.range", { least, most }) + words;
}

/** @param {Key} key  What was measured with each value. */
function ratesOf(key) {
  const lines = key.choices.map((name) => {
    const { falls_found: found, falls, false_alarms: wrong, calm_clips: calm } = settings.rates[name];
    return make("li", {}, t("settings.rate", { name, found, falls, false: wrong, calm }));
  });
  return [make("ul", { class: "rates quiet" }, ...lines), make("p", { class: "quiet" }, t("settings.rates_about"))];
}

function shownValue(value) {
  if (value === "") return t("settings.empty");
  if (typeof value === "boolean") return t(value ? "settings.on" : "settings.off");
  return typeof value === "string" ? value : JSON.stringify(value);
}

// ---- changing ----

/** @param {Key} key */
function change(key, input, status) {
  const value = inputValue(key, input);
  if (value === undefined) return refuse(status, input, t("settings.not_number"));
  input.removeAttribute("aria-invalid");
  if (!same(value, valueOf(key))) send(key, value, status, input);
}

function refuse(status, input, words) {
  status.classList.add("error");
  input?.setAttribute("aria-invalid", "true");
  write(status, words);
}

/** @param {Key} key */
async function send(key, value, status, input) {
  status.classList.remove("error");
  try {
    await changeValues({ [key.key]: value });
    write(status, t(key.takes === "restart" ? "settings.saved_restart" : "settings.saved"));
  } catch (error) {
    refuse(status, input, t("error.refused", { error: error.message }));
  }
}

/** Have the node change values, and show everywhere what it says is in force. */
async function changeValues(values) {
  const answer = await act("settings", { values });
  settings.pending = answer.pending;
  for (const key of settings.keys) if (key.key in answer.values) key.value = answer.values[key.key];
  await afterChange();
}

async function afterChange() {
  for (const { show } of shown) show();
  showPending();
  settings.changes = (await read("/api/settings")).changes;
  listChanges();
}

function showPending() {
  const keys = Object.keys(settings.pending);
  offerRestart(keys.length ? t("settings.pending", { keys: keys.join(", ") }) : "");
}

// ---- who changed what ----

function listChanges() {
  $("no-changes").hidden = settings.changes.length > 0;
  $("changes").replaceChildren(...settings.changes.map(changeRow));
}

/** @param {Change} change */
function changeRow({ t: when, by, before, after }) {
  const lines = Object.keys(after).map((key) =>
    make("p", {}, t("settings.change", { key, before: changed(key, before[key]), after: changed(key, after[key]) })),
  );
  const [way, address] = by.split(" ");
  const who = t(way === "page" ? "settings.by_page" : "settings.by_mqtt", { time: clock(when), address });
  const keys = Object.keys(after).join(", ");
  const row = make("li", {}, make("div", { class: "what" }, ...lines, make("p", { class: "quiet" }, who)));
  if (Object.keys(after).some(isFixed)) return row; // the set-up page has its own way back
  row.append(button(t("button.undo"), () => undoChange(before), {
    class: "small", "aria-label": t("settings.undo_change", { keys }),
  }));
  return row;
}

const isFixed = (name) => settings.keys.find(({ key }) => key === name)?.takes === "file";
const changed = (key, value) => (key === ZONES ? counted("settings.zones", value.length) : shownValue(value));

async function undoChange(before) {
  const { [ZONES]: zones, ...values } = before;
  try {
    if (zones) await putZones(zones);
    if (Object.keys(values).length) await changeValues(values);
    else await afterChange();
    write($("changes-said"), t("settings.undone"));
  } catch (error) {
    write($("changes-said"), t("error.refused", { error: error.message }));
  }
}

load();
