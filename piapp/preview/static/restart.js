/** Restarting the node from a page: asked for twice, and watched until the node is back. */

import { act } from "./api.js";
import { $, t, write } from "./words.js";

const WAIT_MS = 1000;

$("restart-now").addEventListener("click", restart);

/** Offer a restart for a reason; an empty one takes the offer back. */
export function offerRestart(reason) {
  $("restart").hidden = reason === "";
  write($("restart-title"), reason);
}

async function restart() {
  if (!confirm(t("restart.question"))) return;
  await restartNow($("restart-said"));
}

/** Have the node restart; it may be gone before its answer has arrived. */
export async function askForRestart() {
  try {
    await act("restart");
  } catch (error) {
    if (!error.unanswered) throw error;
  }
}

/** Restart without asking, and show this page again when the node is back. */
export async function restartNow(status) {
  try {
    await askForRestart();
  } catch (error) {
    return write(status, t("error.refused", { error: error.message }));
  }
  write(status, t("restart.waiting"));
  await gone();
  while (!(await answers())) await pause();
  location.reload();
}

const pause = () => new Promise((resolve) => setTimeout(resolve, WAIT_MS));
const answers = async () => (await fetch("/zones").catch(() => null))?.ok ?? false;

/** Wait until the node has ended; one that restarts within the blink of an eye is taken for back. */
async function gone() {
  for (let tries = 0; tries < 10 && (await answers()); tries += 1) await pause();
}
