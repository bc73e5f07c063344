// Saves what the API answers as a file, and tells of signs that no font of the server has.
import { make, showSignIn } from "./shell.js";
import { tell } from "./words.js";

const KEPT_MS = 60_000;

// {ok, note} or {ok: false, message}.
export async function download(path, name) {
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`);
  } catch (trouble) {
    console.error(trouble);
    return { ok: false, message: tell("noAnswer") };
  }
  if (answer.status === 401) showSignIn({ key: "sessionOver" });
  if (!answer.ok) {
    const said = await answer.json().catch(() => null);
    const { code, message } = said?.error ?? {};
    return { ok: false, message: code === "no_tickets" ? tell("noTickets") : (message ?? tell("failed", { message: answer.status })) };
  }
  const address = URL.createObjectURL(await answer.blob());
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), KEPT_MS);
  const missing = answer.headers.get("X-Gatesync-Missing-Signs");
  const signs = missing?.split(" ").map((sign) => `${String.fromCodePoint(parseInt(sign.slice(2), 16))} (${sign})`);
  return { ok: true, note: signs ? tell("missingSigns", { signs: signs.join(", ") }) : tell("saved") };
}
