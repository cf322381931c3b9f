/** Work that a button starts and that takes a while. */

import { t, write } from "./words.js";

/** Do something that takes a while: say so, keep the button from being pressed again, and say how it went. */
export async function attempt(control, status, work) {
  control.disabled = true;
  write(status, t("upkeep.working"));
  try {
    write(status, (await work()) ?? "");
  } catch (error) {
    write(status, t("error.refused", { error: error.message }));
  } finally {
    control.disabled = false;
  }
}
