/**
 * Upkeep: version and restart, check, backup, support bundle, log. All of it is done by the node, each as the command of
 * its name does it.
 *
 * @typedef {{part: string, verdict: "OK"|"NOTE"|"FAIL", text: string}} Finding
 * @typedef {{t: string, at_s: number, level: string, logger: string, text: string}} Line
 */

import { act, download, read } from "./api.js";
import { attempt } from "./attempt.js";
import { $, clock, counted, make, t, write } from "./words.js";
import "./restart.js";
import "./restore.js";

/** @type {Line[]} */ let lines = [];

async function showVersion() {
  const { version, newer, versions } = await read("/api/upkeep");
  write($("restart-title"), t("upkeep.runs", { version }));
  $("newer").hidden = !newer;
  write($("newer"), newer ? t("upkeep.newer", { newer }) : "");
  const parts = Object.entries(versions).filter(([name]) => name !== "piapp");
  $("versions").replaceChildren(...parts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

// ---- check ----

$("check").addEventListener("click", () => attempt($("check"), $("check-said"), showFindings));

async function showFindings() {
  /** @type {{findings: Finding[]}} */
  const { findings } = await act("check");
  $("findings").replaceChildren(...findings.map(findingRow));
  const failed = findings.filter(({ verdict }) => verdict === "FAIL").length;
  return failed ? counted("upkeep.failed", failed) : t("upkeep.all_well");
}

/** @param {Finding} finding */
function findingRow({ part, verdict, text }) {
  const mark = make("span", { class: "verdict", "data-verdict": verdict }, t(`verdict.${verdict.toLowerCase()}`));
  return make("li", {}, mark, make("span", { lang: "en" }, make("b", {}, part), ` ${text}`));
}

// ---- files ----

$("backup").addEventListener("submit", (event) => {
  event.preventDefault();
  const button = $("backup").querySelector("button");
  attempt(button, $("backup-said"), async () => {
    await download("backup", { password: $("password").value });
    $("password").value = "";
    return t("upkeep.backup_done");
  });
});

$("support").addEventListener("click", () =>
  attempt($("support"), $("support-said"), async () => {
    await download("support");
    return t("upkeep.support_done");
  }),
);

// ---- log ----

$("level").addEventListener("change", () => showLog().catch(failed));
$("reload").addEventListener("click", () => showLog().catch(failed));
$("earlier").addEventListener("click", () => showEarlier().catch(failed));

/** Show the newest lines of the level that is chosen, newest first. */
async function showLog() {
  const { lines: newest, earlier } = await readLog({});
  lines = newest;
  $("log").replaceChildren(...rows(newest));
  countLines(earlier);
}

/** Show those before them, too. */
async function showEarlier() {
  const { lines: older, earlier } = await readLog({ before: lines[0].at_s });
  const added = rows(older);
  lines = [...older, ...lines];
  $("log").append(...added);
  countLines(earlier);
  added[0]?.scrollIntoView({ block: "nearest" });
}

const readLog = (query) => read(`/api/log?${new URLSearchParams({ level: $("level").value, ...query })}`);
const rows = (some) => some.map(logRow).reverse();

function countLines(earlier) {
  if (earlier === 0 && document.activeElement === $("earlier")) $("reload").focus();
  $("earlier").hidden = earlier === 0;
  write($("log-count"), counted("upkeep.lines", lines.length));
}

/** @param {Line} line */
function logRow({ t: when, level, logger, text }) {
  const head = make("span", { class: "quiet" }, `${clock(when)} ${level} ${logger}`);
  return make("li", { "data-level": level }, head, make("span", {}, text));
}

const failed = (error) => write($("error"), error.message);

showVersion().catch(failed);
showLog().catch(failed);
