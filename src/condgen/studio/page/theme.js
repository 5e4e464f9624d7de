// Runs before the first paint, so that a chosen theme does not flash.
try {
  const theme = localStorage.getItem("condgen.theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // storage is closed to this page: the system's theme stands
}
