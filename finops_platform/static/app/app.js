// Makes pages nicer where scripts run: theme, menus, dialogs, copying, bulk rows, live messages.
(() => {
  "use strict";
  const root = document.documentElement;

  // ------------------------------------------------------------------------------------- theme
  function labelThemeToggles() {
    const next = root.dataset.bsTheme === "dark" ? "light" : "dark";
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.hidden = false;
      button.setAttribute("aria-label", `Use the ${next} theme`);
    }
  }

  function toggleTheme() {
    const next = root.dataset.bsTheme === "dark" ? "light" : "dark";
    delete root.dataset.followsSystem;
    root.dataset.bsTheme = next;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${next}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    root.dispatchEvent(new Event("themechange"));
  }
  root.addEventListener("themechange", labelThemeToggles);

  // --------------------------------------------------------------------------- menus, navigation
  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (menu !== except) menu.open = false;
    }
  }

  function closeNavigation() {
    if (location.hash !== "#nav") return false;
    location.hash = "";
    history.replaceState(null, "", location.pathname + location.search);
    document.querySelector(".topbar-menu")?.focus();
    return true;
  }

  // ------------------------------------------------------------------------------------- dialogs
  function openDialog(id) {
    const dialog = document.getElementById(id);
    if (!(dialog instanceof HTMLDialogElement) || dialog.open) return false;
    dialog.showModal();
    return true;
  }

  // ------------------------------------------------------------------------------------- copying
  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    source.select?.();
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
    } catch {
      document.execCommand("copy");
    }
    const words = button.querySelector("span");
    const before = words.textContent;
    words.textContent = "Copied";
    say("Copied");
    setTimeout(() => (words.textContent = before), 2000);
  }

  // --------------------------------------------------------------------------- messages, toasts
  let lastSaid = "";
  function say(text) {
    const live = document.getElementById("live");
    if (!live || text === lastSaid) return;
    lastSaid = text;
    live.textContent = text;
  }

  function toast({ text, tone = "info" }) {
    const shown = [...document.querySelectorAll("#toasts .notice-body")];
    if (shown.some((one) => one.textContent === text)) return; // a poll that fails says so once
    const note = document.createElement("div");
    note.className = `notice notice-${tone}`;
    const body = document.createElement("div");
    body.className = "notice-body";
    body.textContent = text;
    note.append(body);
    document.getElementById("toasts")?.append(note);
    setTimeout(() => note.remove(), 8000);
  }

  // --------------------------------------------------------------------------------------- bulk
  function countChosen(form) {
    const boxes = [...form.querySelectorAll('input[name="selected"]')];
    const chosen = boxes.filter((box) => box.checked).length;
    const all = form.querySelector("[data-bulk-all]");
    all.checked = chosen > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
    form.querySelector("[data-bulk-count]").textContent = chosen
      ? `${chosen} chosen:`
      : "Choose rows to";
    for (const button of form.querySelectorAll(".bulk-bar button")) button.disabled = !chosen;
  }

  // -------------------------------------------------------------------------------------- charts
  let chartsAsked = false;
  function load(source) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = source;
      script.addEventListener("load", resolve);
      script.addEventListener("error", reject);
      document.head.append(script);
    });
  }

  async function drawCharts(within) {
    if (!within.querySelector("[data-chart]")) return;
    if (!chartsAsked) {
      chartsAsked = true;
      await load(root.dataset.echarts);
      await load(root.dataset.charts);
    }
    window.consoleCharts?.draw(within);
  }

  // --------------------------------------------------------------------------------- every part
  function dress(within) {
    for (const hidden of within.querySelectorAll("[data-copy][hidden], [data-dismiss][hidden]")) {
      hidden.hidden = false;
    }
    for (const plain of within.querySelectorAll("[data-nojs]")) plain.hidden = true;
    for (const form of within.querySelectorAll("form[data-bulk]")) countChosen(form);
    const told = within.matches?.("[data-announce]") ? within : within.querySelector("[data-announce]");
    if (told) say(told.dataset.announce);
    drawCharts(within);
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest?.(
      "[data-theme-toggle],[data-dialog],[data-dialog-close],[data-copy],[data-dismiss],[data-select],.side-shade,.side-close",
    );
    closeMenus(event.target.closest?.("details[data-menu]"));
    if (!target) return;
    if (target.matches("[data-theme-toggle]")) toggleTheme();
    else if (target.matches("[data-dialog]")) openDialog(target.dataset.dialog) && event.preventDefault();
    else if (target.matches("[data-dialog-close]")) {
      event.preventDefault();
      target.closest("dialog").close();
    } else if (target.matches("[data-copy]")) copy(target);
    else if (target.matches("[data-dismiss]")) target.closest(".notice").remove();
    else if (target.matches("[data-select]")) target.select();
    else if (closeNavigation()) event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const open = document.querySelector("details[data-menu][open]");
      closeMenus();
      open?.querySelector("summary").focus();
      closeNavigation();
    }
    if (event.key === " " && event.target.matches?.('a[role="button"]')) {
      event.preventDefault();
      event.target.click();
    }
  });

  document.addEventListener("change", (event) => {
    const form = event.target.closest?.("form[data-bulk]");
    if (!form) return;
    if (event.target.matches("[data-bulk-all]")) {
      for (const box of form.querySelectorAll('input[name="selected"]')) box.checked = event.target.checked;
    }
    countChosen(form);
  });

  window.addEventListener("hashchange", () => {
    if (location.hash === "#nav") document.querySelector(".side-panel a")?.focus();
  });
  document.addEventListener("toast", (event) => toast(event.detail));
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.verb !== "get") return;
    const given = [...detail.formData.entries()];
    for (const [name, value] of given) if (value === "") detail.formData.delete(name);
  });
  document.addEventListener("htmx:afterSettle", (event) => dress(event.detail.elt));
  document.addEventListener("htmx:responseError", () =>
    toast({ text: "The server could not answer. Try again in a moment.", tone: "bad" }),
  );
  document.addEventListener("htmx:sendError", () =>
    toast({ text: "There is no connection to the server.", tone: "bad" }),
  );

  labelThemeToggles();
  dress(document);
})();
