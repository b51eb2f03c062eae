// The / key goes to the search box; form[data-autosubmit] is sent when a choice in it changes; a select[data-own-zone]
// proposes the time zone of the browser; Back leads from a filter to the one before it.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
  const box = document.querySelector("[data-search]");
  if (!box) return;
  event.preventDefault();
  box.focus();
  box.select();
});

document.addEventListener("change", (event) => event.target.closest("form[data-autosubmit]")?.requestSubmit());

// What is typed into one box without anything else between is one step, however often the list was asked meanwhile.
let changed = null;
let stepOf = null;
document.addEventListener("input", (event) => (changed = event.target));
document.addEventListener("htmx:before:history:update", (event) => {
  const { history: step, sourceElement } = event.detail;
  if (!sourceElement.matches("form.toolbar")) return;
  const goesOn = changed === stepOf && changed?.matches("input");
  if (!goesOn && step.path !== location.pathname + location.search) step.type = "push";
  stepOf = changed;
});

for (const select of document.querySelectorAll("select[data-own-zone]")) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  if ([...select.options].some((option) => option.value === timeZone)) select.value = timeZone;
}
