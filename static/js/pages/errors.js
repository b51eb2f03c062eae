// Errors of this page, told to our own server: few, so that an error in a loop is no flood.
let left = 3;

function tell(message, source, line, column, stack) {
  if (left <= 0) return;
  left -= 1;
  const about = { message, source, line, column, stack, page: location.pathname };
  const body = JSON.stringify({ ...about, message: about.message.slice(0, 500), stack: about.stack.slice(0, 3000) });
  const headers = { "Content-Type": "application/json" };
  fetch("/t/error", { method: "POST", headers, body, keepalive: true }).catch(() => {});
}

addEventListener("error", (event) => {
  if (!event.filename?.startsWith(location.origin)) return; // an extension of the browser, not us
  tell(String(event.message), event.filename, event.lineno, event.colno, String(event.error?.stack ?? ""));
});

addEventListener("unhandledrejection", (event) => {
  tell(String(event.reason?.message ?? event.reason), "", 0, 0, String(event.reason?.stack ?? ""));
});

addEventListener("securitypolicyviolation", (event) => {
  tell(`Policy: ${event.violatedDirective}`, event.sourceFile ?? "", event.lineNumber, event.columnNumber, "");
});
