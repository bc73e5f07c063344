// Devices that wait for an operator: one that shows its certificate to a server that forgot it, and
// one that was revoked and still uploads.
import { tell } from "./words.js";

const MAY_DECIDE = ["owner", "operator"];
const byId = (id) => document.getElementById(id);

let devices = [];
let problem = "";
let may = false;

export function watchDevices(person) {
  stopWatching();
  may = MAY_DECIDE.includes(person.role);
}

export function stopWatching() {
  devices = [];
  problem = "";
  may = false;
}

// The server says which devices wait; only then are they asked for.
export async function askWaiting(some, draw) {
  if (!may) return;
  if (some) await ask();
  else devices = [];
  draw();
}

async function ask() {
  try {
    const answer = await fetch("/api/v1/devices");
    if (answer.ok) devices = (await answer.json()).items.filter(waits);
  } catch (trouble) {
    console.error(trouble); // the page says by itself that it is not connected
  }
}

const waits = (device) => device.state === "adopted" || device.quarantinedScans > 0;

async function send(method, path, body) {
  const answer = await fetch(`/api/v1/devices/${path}`, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const said = answer.ok ? null : await answer.json().catch(() => null);
  problem = answer.ok ? "" : (said?.error?.message ?? `${answer.status}`);
}

const decide = {
  confirm: ({ deviceId }) => send("PATCH", deviceId, { state: "active" }),
  accept: ({ deviceId }, reason) => send("POST", `${deviceId}/quarantine/accept`, { reason }),
};

export function drawAttention(draw) {
  byId("attention").hidden = devices.length === 0 && !problem;
  byId("attention-problem").textContent = problem;
  const list = byId("attention-list");
  const held = new Map([...list.children].map((row) => [row.dataset.key, row]));
  for (const device of devices) {
    const row = held.get(device.deviceId) ?? newRow(device.deviceId, draw);
    held.delete(device.deviceId);
    const adopted = device.state === "adopted";
    row.dataset.deed = adopted ? "confirm" : "accept";
    const values = { name: device.name, gate: device.gateId, n: device.quarantinedScans };
    row.querySelector("span").textContent = `⚠ ${tell(adopted ? "adopted" : "quarantine", values)}`;
    row.querySelector("label").hidden = adopted;
    row.querySelector("label").firstChild.textContent = `${tell("reason")} `;
    row.querySelector("button").textContent = tell(adopted ? "confirm" : "accept");
    if (!row.isConnected) list.append(row);
  }
  for (const row of held.values()) row.remove();
}

// A form, so that the reason can be typed and sent by keyboard.
function newRow(deviceId, draw) {
  const item = document.createElement("li");
  item.dataset.key = deviceId;
  const form = document.createElement("form");
  const label = document.createElement("label");
  const reason = document.createElement("input");
  reason.maxLength = 500;
  label.append(document.createTextNode(""), reason);
  form.append(document.createElement("span"), label, document.createElement("button"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const device = devices.find((one) => one.deviceId === deviceId);
    if (!device) return;
    if (item.dataset.deed === "accept" && !reason.value.trim()) {
      reason.focus();
      return;
    }
    await decide[item.dataset.deed](device, reason.value.trim());
    await ask();
    draw();
  });
  item.append(form);
  return item;
}
