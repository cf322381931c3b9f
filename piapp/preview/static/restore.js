/**
 * Restoring a backup: it is sent, the node says what it would change, and its next start does it when somebody agrees.
 *
 * @typedef {{key: string, before: any, after: any}} KeyChange
 * @typedef {{sha256: string, node: string, created: string, version: string, secrets: boolean, broker: ?string, changes: KeyChange[],
 *   stays: string[], learnt: boolean, cases: number, known: number}} Plan
 */

import { act, read, upload } from "./api.js";
import { attempt } from "./attempt.js";
import { restartNow } from "./restart.js";
import { $, clock, counted, make, t, write } from "./words.js";

const said = $("restore-said");
let limit = 0; // bytes
/** @type {?Plan} */ let plan = null;

async function show() {
  const { possible, max_bytes: most, done } = await read("/api/restore");
  limit = most;
  $("restore").hidden = !possible;
  $("restore-done").hidden = !done;
  if (!possible) write(said, t("restore.impossible"));
  if (done) write($("restore-done-text"), t("restore.done", { node: done.node, when: clock(done.t) }));
}

$("restore").addEventListener("submit", (event) => {
  event.preventDefault();
  const [file] = $("restore-file").files;
  if (!file) {
    write(said, t("restore.no_file"));
    return $("restore-file").focus();
  }
  if (file.size > limit) return write(said, t("restore.too_long", { most: limit / 1e6 }));
  attempt($("restore").querySelector("button"), said, async () => {
    plan = await upload("restore", file, "application/zip");
    showPlan();
  });
});

function showPlan() {
  const { node, created, version, changes } = plan;
  write($("restore-plan-title"), t("restore.of", { node, when: clock(created), version }));
  const rows = changes.map(({ key, before, after }) => make("li", {}, make("b", {}, key), ` ${change(key, before, after)}`));
  $("restore-changes").replaceChildren(...rows, ...remarks().map((text) => make("li", {}, text)));
  for (const id of ["restore-login", "restore-login-help"]) $(id).hidden = !plan.broker;
  write($("restore-login-help"), plan.broker ? t("restore.login", { broker: plan.broker }) : "");
  $("restore-plan").hidden = false;
  $("restore-plan-title").focus();
}

/** What becomes of a setting; zones by their names. */
function change(key, before, after) {
  const shown = (value) => (key === "zones" ? value.map(({ name }) => name).join(", ") || "–" : JSON.stringify(value));
  return `${shown(before)} → ${shown(after)}`;
}

/** @returns {string[]} What else becomes of the node, and what does not. */
function remarks() {
  const { changes, learnt, cases, known, stays, secrets, broker } = plan;
  return [
    changes.length ? "" : t("restore.no_changes"),
    learnt ? t("restore.learnt") : "",
    cases ? counted("restore.cases", cases) : "",
    known ? counted("restore.known", known) : "",
    stays.length ? t("restore.stays", { keys: stays.join(", ") }) : "",
    secrets && !broker ? t("restore.secrets") : "",
  ].filter(Boolean);
}

$("restore-cancel").addEventListener("click", () => {
  close();
  write(said, t("restore.cancelled"));
  $("restore-file").focus();
});

function close() {
  plan = null;
  $("restore-plan").hidden = true;
  $("restore").reset();
  $("restore-password").value = "";
}

$("restore-plan").addEventListener("submit", (event) => {
  event.preventDefault();
  const password = plan.broker ? $("restore-password").value : "";
  agree($("restore-now"), "restore", { sha256: plan.sha256, password });
});
$("restore-undo").addEventListener("click", () => agree($("restore-undo"), "restore_undo"));

/** Have it done by the next start, and start. */
async function agree(button, name, document) {
  if (!confirm(t("restart.question"))) return;
  let agreed = false;
  await attempt(button, said, async () => void (agreed = (await act(name, document)).restart));
  if (agreed) await restartNow(said);
}

show().catch((error) => write(said, error.message));
