// Asks before something is done that is not easily undone: what it does stands in the question.
const byId = (id) => document.getElementById(id);

// Resolves to whether the reader said yes. Escape is a no.
export function areYouSure(title, effect, yes, grave = false) {
  const dialog = byId("sure");
  byId("sure-title").textContent = title;
  byId("sure-words").textContent = effect;
  byId("sure-yes").textContent = yes;
  byId("sure-yes").className = grave ? "grave" : "main";
  return new Promise((resolve) => {
    byId("sure-no").onclick = () => dialog.close("no");
    byId("sure-yes").onclick = () => dialog.close("yes");
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.returnValue = "no";
    dialog.showModal();
  });
}
