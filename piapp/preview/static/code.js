/** The door of the set-up page: the code that the installer has printed is exchanged for a cookie. */

import { send } from "./api.js";
import { $, t, write } from "./words.js";

const REFUSED = { 403: "code.wrong", 429: "code.too_many" };

// A link brings the code behind "#", which stays in the browser.
if (location.hash) $("code").value = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
$("open").disabled = false; // before, a click would only have loaded the page again
($("code").value ? $("open") : $("code")).focus();

$("code-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  write($("code-error"), "");
  if (!$("code").value.trim()) return refuse(t("code.empty"));
  try {
    await send("/code", "POST", { code: $("code").value });
    location.assign("/setup");
  } catch (error) {
    refuse(error.status in REFUSED ? t(REFUSED[error.status]) : error.message);
  }
});

function refuse(words) {
  write($("code-error"), words);
  $("code").focus();
}
