// The / key goes to the page's search box; form[data-autosubmit] is sent when a choice in it changes.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
  const box = document.querySelector("[data-search]");
  if (!box) return;
  event.preventDefault();
  box.focus();
  box.select();
});

document.addEventListener("change", (event) => event.target.closest("form[data-autosubmit]")?.requestSubmit());
