/**
 * The alarm's tools: open alarms and who takes care, test alert, pause, quiet times.
 *
 * All of it is done by the node, as the same requests by MQTT are; what it answers is shown.
 *
 * @typedef {{event: string, person: number, confirmed: boolean, acknowledged: boolean}} OpenAlarm
 */

import { act } from "./api.js";
import { $, button, make, t, who, write } from "./words.js";

let listed = "";
let schedule = "";
let paused = false;

/** Show what the node says of itself. */
export function showAlarms({ alarms, paused: isPaused, paused_by: by, schedule: times }) {
  paused = isPaused;
  write($("pause"), t(paused ? "alarm.resume" : "alarm.pause"));
  write($("paused-by"), by ? t(`alarm.paused_by_${by}`) : "");
  listAlarms(alarms);
  if (JSON.stringify(times) !== schedule) fillSchedule(times);
}

/** @param {OpenAlarm[]} alarms */
function listAlarms(alarms) {
  $("acknowledge").hidden = alarms.every((alarm) => alarm.acknowledged);
  const text = JSON.stringify(alarms);
  if (text === listed) return; // a button of the list may have the focus
  listed = text;
  $("no-alarm").hidden = alarms.length > 0;
  $("alarms").replaceChildren(...alarms.map(alarmRow));
}

/** @param {OpenAlarm} alarm */
function alarmRow({ event, person, acknowledged }) {
  const line = t(acknowledged ? "alarm.cared" : "alarm.open", { who: who(person) });
  const tools = acknowledged ? [] : [button(t("alarm.acknowledge"), () => acknowledge({ event }))];
  return make("li", {}, make("span", { class: "what" }, line), ...tools);
}

function fillSchedule(times) {
  schedule = JSON.stringify(times);
  $("schedule-on").checked = times.enabled;
  $("schedule-times").value = times.pause;
}

/** Do something, and say how it went. */
async function tell(work, done) {
  try {
    const answer = await work();
    write($("alarm-said"), done(answer));
  } catch (error) {
    write($("alarm-said"), t("error.refused", { error: error.message }));
  }
}

const acknowledge = (which) => tell(() => act("acknowledge", which), () => t("alarm.acknowledged"));

$("acknowledge").addEventListener("click", () => acknowledge({}));
$("test").addEventListener("click", () => tell(() => act("test"), () => t("alarm.tested")));
$("missed").addEventListener("click", () => tell(() => act("missed"), ({ event }) => t("alarm.missed_kept", { event })));
$("pause").addEventListener("click", () => {

  tell(() => act(paused ? "resume" : "pause"), () => "");
});
$("schedule").addEventListener("submit", (event) => {
  event.preventDefault();
  const values = { "schedule.enabled": $("schedule-on").checked, "schedule.pause": $("schedule-times").value.trim() };
  tell(() => act("settings", { values }), () => t("alarm.schedule_saved"));
});
