import { useWords } from '../words/words.ts';
import { IconButton } from './IconButton.tsx';
import { AutoIcon, MoonIcon, SunIcon } from './icons.tsx';
import { useTheme } from './theme.ts';

/** Goes from the system's colours to light ones, to dark ones, and back. */
export function ThemeButton() {
  const words = useWords();
  const [theme, nextTheme] = useTheme();
  const label = { auto: words.themeAuto, light: words.themeLight, dark: words.themeDark }[theme];
  return (
    <IconButton label={label} onClick={nextTheme}>
      {theme === 'light' ? <SunIcon /> : theme === 'dark' ? <MoonIcon /> : <AutoIcon />}
    </IconButton>
  );
}
