// The words of tickets' mails with their preview; the sample; reports that came back.
import { call, make } from "./shell.js";
import { currentLanguage, tell } from "./words.js";

const byId = (id) => document.getElementById(id);
const LANGUAGES = ["ko", "en"];
const texts = { items: [], variables: [], language: null, said: "", seen: null };

export function startTexts() {
  byId("texts").addEventListener("submit", save);
  byId("preview").addEventListener("click", preview);
  byId("reset").addEventListener("click", reset);
  byId("text-language").addEventListener("change", () => choose(byId("text-language").value));
  byId("test").addEventListener("submit", test);
  byId("bounces").addEventListener("change", bounces);
}

export async function loadTexts() {
  const answer = await call("GET", "/mail/texts");
  if (!answer.ok) return;
  Object.assign(texts, answer.data);
  choose(texts.language ?? currentLanguage());
}

export function forgetTexts() {
  Object.assign(texts, { items: [], language: null, said: "", seen: null });
}

function choose(language) {
  const held = texts.items.find((one) => one.language === language);
  if (!held) return;
  Object.assign(texts, { language, said: "", seen: null });
  byId("subject").value = held.subject;
  byId("body").value = held.body;
  byId("text-problem").textContent = "";
  drawTexts();
}

// `standard` is the language of those without a wish.
export function drawTexts(standard) {
  for (const id of ["text-language", "test-language"]) {
    const select = byId(id);
    if (select.options.length === 0) {
      select.append(...LANGUAGES.map((value) => make("option", { value })));
      if (standard) select.value = standard;
    }
    for (const option of select.options) option.textContent = tell(`language.${option.value}`);
  }
  const { items, language, variables, seen, said } = texts;
  if (language) byId("text-language").value = language;
  byId("subject").lang = byId("body").lang = language ?? "";
  byId("variables").textContent = variables.length
    ? tell("variables", { names: variables.map((name) => `{{ ${name} }}`).join("  ") })
    : "";
  byId("reset").disabled = !items.find((one) => one.language === language)?.own;
  byId("text-said").textContent = said && tell(said);
  byId("seen").hidden = seen === null;
  byId("seen-html").title = tell("preview");
  if (seen && byId("seen-html").srcdoc !== seen.html) {
    byId("seen-subject").textContent = seen.subject;
    byId("seen-html").srcdoc = seen.html;
    byId("seen-text").textContent = seen.text;
    byId("seen-text").lang = seen.language;
  }
}

function kept(answer, said) {
  byId("text-problem").textContent = answer.ok ? "" : answer.message;
  byId(answer.field === "subject" ? "body" : "subject").removeAttribute("aria-invalid");
  if (answer.ok) for (const id of ["subject", "body"]) byId(id).removeAttribute("aria-invalid");
  else if (answer.field === "subject" || answer.field === "body") byId(answer.field).setAttribute("aria-invalid", "true");
  texts.said = answer.ok ? said : "";
}

async function save(event) {
  event.preventDefault();
  const { language } = texts;
  const answer = await call("PUT", `/mail/texts/${language}`, { subject: byId("subject").value, body: byId("body").value });
  if (answer.ok) await loadTexts();
  kept(answer, "saved");
  drawTexts();
}

async function reset() {
  const answer = await call("DELETE", `/mail/texts/${texts.language}`);
  if (answer.ok) await loadTexts();
  kept(answer, "resetDone");
  drawTexts();
}

async function preview() {
  const { language } = texts;
  const answer = await call("POST", "/mail/preview", { language, subject: byId("subject").value, body: byId("body").value });
  kept(answer, "");
  texts.seen = answer.ok ? answer.data : texts.seen;
  drawTexts();
}

async function test(event) {
  event.preventDefault();
  byId("test-button").disabled = true;
  byId("test-said").textContent = tell("testing");
  byId("test-problem").textContent = "";
  const answer = await call("POST", "/mail/test", { to: byId("test-to").value.trim(), language: byId("test-language").value });
  const sent = answer.ok && answer.data.sent;
  byId("test-said").textContent = sent ? tell("tested", { message: answer.data.message }) : "";
  if (!sent) byId("test-problem").textContent = answer.ok ? tell("testRefused", { message: answer.data.message }) : answer.message;
  byId("test-button").disabled = false;
}

async function bounces() {
  const file = byId("bounces").files[0];
  if (!file) return;
  const answer = await call("POST", "/mail/bounces", new Blob([file], { type: "message/rfc822" }));
  byId("bounces-problem").textContent = answer.ok ? "" : answer.message;
  byId("bounces-said").textContent = answer.ok ? tell("bouncesRead", answer.data) : "";
  byId("bounces").value = "";
}
