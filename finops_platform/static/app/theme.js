// Sets the theme before the first paint: the reader's choice, else the system's.
(() => {
  const root = document.documentElement;
  if (root.dataset.bsTheme) return;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    root.dataset.bsTheme = dark.matches ? "dark" : "light";
    root.dispatchEvent(new Event("themechange"));
  };
  root.dataset.followsSystem = "";
  dark.addEventListener("change", () => "followsSystem" in root.dataset && follow());
  follow();
})();
