// Toasts: dismissed by their button; one is made here when a request of htmx fails.
const FAILED = "That did not work: the server could not be reached or refused it. Try again.";

document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast")?.remove());

for (const name of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(name, (event) => {
    if (event.detail?.ctx?.response?.status === 422 || document.querySelector("[data-made-here]")) return;
    const toast = document.createElement("div");
    const text = document.createElement("p");
    toast.className = "toast";
    toast.dataset.tone = "bad";
    toast.dataset.madeHere = "";
    text.textContent = FAILED;
    toast.append(text);
    document.querySelector(".toasts")?.append(toast);
    setTimeout(() => toast.remove(), 8000);
  });
}
