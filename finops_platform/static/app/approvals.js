// Moves through the inbox of approvals by keys: j, k, Enter, a, r.
(() => {
  "use strict";
  const rows = [...document.querySelectorAll("[data-approval]")];
  if (!rows.length) return;
  const hint = document.querySelector("[data-keys]");
  if (hint) hint.hidden = false;
  let at = -1;

  function go(to) {
    at = Math.min(Math.max(to, 0), rows.length - 1);
    rows[at].querySelector("a").focus();
  }

  function here() {
    return rows[at] ?? rows[0];
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "j") go(at + 1);
    else if (event.key === "k") go(at - 1);
    else if (event.key === "a") here().querySelector("input").click();
    else if (event.key === "r") location.assign(`${here().dataset.approval}#decide`);
    else return;
    event.preventDefault();
  });
  document.addEventListener("focusin", (event) => {
    const found = rows.indexOf(event.target.closest?.("[data-approval]"));
    if (found >= 0) at = found;
  });
})();
