// What the page does beyond links and forms: themes, the key `/`, and what a screen reader is told.
"use strict";

(() => {
  const root = document.documentElement;
  const KEY = "theme";
  let kept = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch {
    // Storage may be closed; then the system's theme holds.
  }
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;

  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

  const told = (button) => {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(isDark()));
  };

  // Said once for each change, in an element that no answer replaces.
  const say = () => {
    const status = document.querySelector("[data-status]");
    const live = document.getElementById("said");
    if (status && live && live.textContent !== status.dataset.status) live.textContent = status.dataset.status;
  };

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (button) {
      told(button);
      button.addEventListener("click", () => {
        root.dataset.theme = isDark() ? "light" : "dark";
        try {
          localStorage.setItem(KEY, root.dataset.theme);
        } catch {
          // It holds for this page.
        }
        told(button);
      });
    }
    say();
  });

  document.addEventListener("htmx:afterSettle", say);

  // What asks again by itself goes on asking.
  document.addEventListener("htmx:afterRequest", (event) => {
    const lost = document.getElementById("lost");
    if (lost) lost.hidden = event.detail.xhr.status > 0;
  });

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = document.getElementById("search");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  });
})();
