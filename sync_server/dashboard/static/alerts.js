// Alerts that hold now, newest first, each acknowledged by a touch.
import { currentLanguage, tell } from "./words.js";

const byId = (id) => document.getElementById(id);
const standing = new Map(); // id → alert

export const onAlertFrame = {
  "alert.raised"(alert) {
    standing.set(alert.id, alert);
  },
  "alert.acknowledged"(alert) {
    standing.set(alert.id, alert);
  },
  "alert.cleared"(alert) {
    standing.delete(alert.id);
  },
};

export function forgetAlerts() {
  standing.clear(); // the whole picture follows
}

export function drawAlerts(draw) {
  byId("alerts").hidden = standing.size === 0;
  const list = byId("alerts-list");
  const held = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const newest = [...standing.values()].sort((a, b) => Number(b.id) - Number(a.id));
  newest.forEach((alert, place) => {
    const row = held.get(alert.id) ?? newRow(alert.id, draw);
    held.delete(alert.id);
    row.dataset.kind = alert.acknowledgedBy ? "" : "warn";
    const said = alert.message[currentLanguage()];
    const text = `⚠ ${said}`;
    const words = row.querySelector("span");
    if (words.textContent !== text) words.textContent = text;
    const seen = row.querySelector("small");
    seen.textContent = alert.acknowledgedBy ? tell("seenBy", { name: alert.acknowledgedBy }) : "";
    const button = row.querySelector("button");
    button.hidden = Boolean(alert.acknowledgedBy);
    button.textContent = tell("acknowledge");
    button.setAttribute("aria-label", `${tell("acknowledge")}: ${said}`);
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
  });
  for (const row of held.values()) row.remove();
}

function newRow(id, draw) {
  const item = document.createElement("li");
  item.dataset.key = id;
  const button = document.createElement("button");
  button.type = "button";
  button.addEventListener("click", async () => {
    const answer = await fetch(`/api/v1/alerts/${id}/acknowledge`, { method: "POST" });
    if (answer.ok && standing.has(id)) standing.set(id, await answer.json());
    draw();
  });
  item.append(document.createElement("span"), " ", document.createElement("small"), " ", button);
  return item;
}

