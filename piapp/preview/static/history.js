/**
 * Looking back: a day's postures and events, and kept alarms with their films.
 *
 * @typedef {{watched_s?: number, people?: number, postures?: Object<string, number>}} Slot
 * @typedef {{day: string, slots: Object<string, Slot>, events: any[], dropped: number, days: string[],
 *            slot_minutes: number}} Day
 * @typedef {{id: string, kind: string, t: string, verdict: ?string, sensitivity: ?string, events: any[]}} Case
 */

import { act, read } from "./api.js";
import { drawDay } from "./chart.js";
import { showFilm } from "./film.js";
import { belongsToFall } from "./fold.js";
import { $, button, clock, counted, hasText, happened, make, postureText, t, timeOf, who, write } from "./words.js";

const failed = (error) => write($("error"), error.message);

// ---- the day ----

$("day").addEventListener("change", () => showDay($("day").value).catch(failed));

/** @param {string} [wanted]  Today without one. */
async function showDay(wanted) {
  /** @type {Day} */
  const day = await read(wanted ? `/api/days?day=${wanted}` : "/api/days");
  $("off").hidden = day.days.length > 0;
  $("day-tools").hidden = day.days.length === 0;
  if (day.days.length === 0) return;
  if (!$("day").childElementCount) $("day").append(...day.days.map(dayOption));
  const totals = totalsOf(day);
  const known = totals.watched_s > 0;
  $("empty").hidden = known;
  $("chart").hidden = !known;
  drawDay($("chart"), day);
  $("chart").setAttribute("aria-label", t("history.chart", { summary: lines(totals).map((line) => line.join(" ")).join(", ") }));
  $("totals").replaceChildren(...(known ? lines(totals) : []).map(([name, value, posture]) => figure(name, value, posture)));
  listEvents(day);
}

/** @param {string} day @param {number} back  How many days ago. */
function dayOption(day, back) {
  const text = new Date(`${day}T12:00`).toLocaleDateString(document.documentElement.lang, {
    weekday: "long", day: "numeric", month: "long",
  });
  return make("option", { value: day }, back ? text : `${t("history.today")}, ${text}`);
}

/** @param {Day} day */
function totalsOf({ slots }) {
  const totals = { watched_s: 0, people: 0, postures: {} };
  for (const { watched_s = 0, people = 0, postures = {} } of Object.values(slots)) {
    totals.watched_s += watched_s;
    totals.people = Math.max(totals.people, people);
    for (const [name, s] of Object.entries(postures)) totals.postures[name] = (totals.postures[name] ?? 0) + s;
  }
  return totals;
}

/** The totals as names and values; the last is the posture's own name, for its colour. */
function lines({ watched_s, people, postures }) {
  const rows = Object.entries(postures).sort(([, one], [, other]) => other - one);
  return [
    [t("history.watched"), duration(watched_s), ""],
    [t("history.most_people"), String(people), ""],
    ...rows.map(([name, s]) => [postureText(name), duration(s), name]),
  ];
}

function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  return t("history.hours", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

function figure(name, value, posture) {
  const mark = posture ? [make("span", { class: "mark posture", "data-posture": posture, "aria-hidden": "true" })] : [];
  return make("div", {}, make("dt", {}, ...mark, name), make("dd", {}, value));
}

/** @param {Day} day */
function listEvents({ events, dropped }) {
  $("day-events").hidden = events.length === 0;
  const all = events.map(({ type, ...event }) => ({ event_type: type, person: null, ...event }));
  const own = all.filter((event) => !all.some((fall) => belongsToFall(event, fall)));
  $("events").replaceChildren(...own.map(dayEvent).reverse());
  write($("dropped"), dropped ? counted("history.dropped", dropped) : "");
}

function dayEvent(event) {
  const row = make("li", { "data-type": event.event_type });
  row.append(make("time", { datetime: event.t }, timeOf(event.t)), make("span", { class: "what" }, happened(event)));
  if (event.person) row.append(make("span", { class: "quiet" }, who(event.person)));
  return row;
}

// ---- kept alarms ----

async function showCases() {
  /** @type {{kept: boolean, cases: Case[]}} */
  const { kept, cases } = await read("/api/cases");
  $("no-cases").hidden = kept;
  $("no-alarms").hidden = !kept || cases.length > 0;
  $("cases").replaceChildren(...cases.map(caseRow));
}

/** @param {Case} one */
function caseRow(one) {
  const title = make("h3", {}, one.kind === "missed" ? t("history.case_missed") : clock(one.events[0]?.t ?? one.t));
  const story = make("ol", { class: "plain story" }, ...one.events.map(storyLine));
  const when = one.kind === "missed" ? [make("p", { class: "quiet" }, clock(one.t))] : [];
  const how = make("p", { class: "quiet" }, t("history.sensitivity", { value: one.sensitivity ?? "–" }));
  const stage = make("div", { class: "film" });
  const status = make("p", { class: "said", role: "status" });
  const row = make("li", { "data-case": one.id }, title, ...when, story, how, status);
  row.append(toolsOf(one, stage, status), stage);
  showVerdict(status, one.verdict);
  return row;
}

/** @param {Case} one */
function toolsOf(one, stage, status) {
  const film = button(t("history.film"), () => showFilm(stage, one).catch((error) => write(status, error.message)), {
    "aria-label": t("history.film_of", { time: clock(one.t) }),
  });
  const judge = (verdict) => async () => {
    try {
      await act("feedback", { event: one.id, verdict });
      showVerdict(status, verdict);
    } catch (error) {
      write(status, t("error.refused", { error: error.message }));
    }
  };
  const verdicts = [button(t("history.right"), judge("right")), button(t("history.no_fall"), judge("no fall"))];
  return make("div", { class: "tools" }, film, ...(one.kind === "missed" ? [] : verdicts));
}

function showVerdict(status, verdict) {
  write(status, verdict ? t(verdict === "right" ? "history.verdict_right" : "history.verdict_no_fall") : "");
}

/** One event of an alarm, with what decided it. */
function storyLine(event) {
  const words = make("span", { class: "what" }, happened(event));
  return make("li", {}, make("time", { datetime: event.t }, clock(event.t)), words, make("span", {}, decided(event)));
}

/** What decided an event, in words; empty where nothing is known of it. */
function decided({ event_type: type, evidence = {} }) {
  const key = `decided.${reason(type, evidence)}`;
  if (!hasText(key)) return "";
  const percent = Math.round(100 * (evidence.probability ?? 0));
  return t(key, { ...evidence, probability: percent });
}

function reason(type, evidence) {
  if (type === "fall") return evidence.lost ? "lost" : "probability" in evidence ? "learnt" : "rules";
  if (type === "fallen") return evidence.found_lying ? "found_lying" : "fallen";
  if (evidence.nobody_seen) return "nobody_seen";
  return evidence.up_at_once ? "up_at_once" : "recovered";
}

showDay().catch(failed);
showCases().catch(failed);
