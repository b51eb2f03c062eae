// [data-copy="text"]: copies, shows a tick for a moment and says so.
const ICON_TIME_MS = 1600;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    copyBySelection(button.dataset.copy);
  }
  const use = button.querySelector("use");
  const before = use?.getAttribute("href");
  if (!use || button.hasAttribute("data-copied")) return;
  use.setAttribute("href", before.replace("#copy", "#check"));
  button.setAttribute("data-copied", "");
  setTimeout(() => {
    use.setAttribute("href", before);
    button.removeAttribute("data-copied");
  }, ICON_TIME_MS);
});

// navigator.clipboard exists on https and loopback only; an appliance on a plain LAN address has neither.
function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
