// Menus (popovers): arrow keys, and a search box that narrows the list. Dialogs: for browsers without command=.
document.addEventListener("toggle", (event) => {
  if (event.newState !== "open" || !event.target.matches(".menu")) return;
  const box = event.target.querySelector("[data-filter]");
  if (box) box.hidden = false;
  box?.focus();
}, true);

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(".menu:popover-open") ?? opened(event.target);
  if (!menu || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
  const stops = [...menu.querySelectorAll("a, button, input")].filter((stop) => stop.checkVisibility());
  const step = event.key === "ArrowDown" ? 1 : -1;
  const at = stops.indexOf(document.activeElement);
  stops[(at + step + stops.length) % stops.length]?.focus();
  event.preventDefault();
});

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-filter]")) return;
  const wanted = event.target.value.toLowerCase();
  for (const link of event.target.parentElement.querySelectorAll("a")) {
    link.hidden = !link.textContent.toLowerCase().includes(wanted);
  }
});

function opened(button) {
  const menu = document.getElementById(button.getAttribute?.("popovertarget"));
  return menu?.matches(":popover-open.menu") ? menu : null;
}

if (!("commandForElement" in HTMLButtonElement.prototype)) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[commandfor]");
    const dialog = button && document.getElementById(button.getAttribute("commandfor"));
    if (!dialog) return;
    button.getAttribute("command") === "close" ? dialog.close() : dialog.showModal();
  });
}
