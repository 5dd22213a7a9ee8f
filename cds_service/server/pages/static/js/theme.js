// Light or dark: as the system says, or as chosen here. Loaded before the page is drawn.
"use strict";
{
  const root = document.documentElement;
  root.dataset.scripts = "on"; // pages show what they are without scripts where this is not so
  const choices = ["auto", "light", "dark"];
  const read = () => {
    try {
      return localStorage.getItem("theme") ?? "auto";
    } catch {
      return "auto"; // storage is off: follow the system
    }
  };
  const apply = (theme) => (root.dataset.theme = choices.includes(theme) ? theme : "auto");
  apply(read());

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => (button.lastElementChild.textContent = root.dataset.theme);
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      apply(choices[(choices.indexOf(root.dataset.theme) + 1) % choices.length]);
      try {
        localStorage.setItem("theme", root.dataset.theme);
      } catch {
        // the choice lasts as long as the page
      }
      show();
      document.dispatchEvent(new Event("themechange"));
    });
  });
}
