/** What a file of code is called. */
const ENDINGS: Readonly<Record<string, string>> = {
  bash: 'sh',
  csharp: 'cs',
  cpp: 'cpp',
  golang: 'go',
  javascript: 'js',
  jsx: 'jsx',
  kotlin: 'kt',
  markdown: 'md',
  python: 'py',
  ruby: 'rb',
  rust: 'rs',
  shell: 'sh',
  typescript: 'ts',
};
/** Many languages are called like their files' endings. */
const ENDING = /^[a-z][a-z0-9]{0,4}$/;

export function fileName(language: string): string {
  const known = ENDINGS[language.toLowerCase()] ?? language.toLowerCase();
  return `code.${ENDING.test(known) ? known : 'txt'}`;
}
