// Blocks the first paint for less than a millisecond, so that no page flashes in the wrong colours.
try {
  const theme = localStorage.getItem('headrace.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // No storage: as the system has it.
}
