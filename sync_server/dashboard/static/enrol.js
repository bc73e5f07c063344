// A one-use code for a new device at a gate, as the QR that the device's own camera reads.
import { tell } from "./words.js";

const MAY_ENROL = ["owner", "operator"];
const byId = (id) => document.getElementById(id);
const json = { "Content-Type": "application/json" };

export async function offerEnrolment(person) {
  const section = byId("enrol");
  section.hidden = !MAY_ENROL.includes(person.role);
  byId("enrol-code").replaceChildren();
  if (section.hidden) return;
  const answer = await fetch("/api/v1/gates");
  if (!answer.ok) return;
  const { items } = await answer.json();
  byId("enrol-gate").replaceChildren(...items.map(({ id, name }) => new Option(name, id)));
}

export function endEnrolment() {
  byId("enrol").hidden = true;
  byId("enrol-code").replaceChildren();
}

byId("enrol-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = byId("enrol-code");
  const gate = encodeURIComponent(byId("enrol-gate").value);
  const answer = await fetch(`/api/v1/gates/${gate}/enrolments`, { method: "POST", headers: json });
  const made = await answer.json();
  if (!answer.ok) {
    place.textContent = made.error.message;
    return;
  }
  const drawing = new DOMParser().parseFromString(made.svg, "image/svg+xml").documentElement;
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", made.url);
  const words = document.createElement("p");
  const until = new Date(made.expiresAt).toLocaleTimeString();
  words.textContent = tell("enrolHow", { code: made.code, url: made.url, until });
  place.replaceChildren(drawing, words);
});
