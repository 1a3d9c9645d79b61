/**
 * Stands in for Shiki's entry point in the build: the languages people ask models about, each loaded when
 * it is first seen, and one theme for light and one for dark.
 */
import { createBundledHighlighter } from 'shiki/core';
import { createJavaScriptRegexEngine } from 'shiki/engine/javascript';

export const bundledLanguages = {
  bash: () => import('shiki/langs/bash.mjs'),
  c: () => import('shiki/langs/c.mjs'),
  clojure: () => import('shiki/langs/clojure.mjs'),
  cpp: () => import('shiki/langs/cpp.mjs'),
  csharp: () => import('shiki/langs/csharp.mjs'),
  css: () => import('shiki/langs/css.mjs'),
  dart: () => import('shiki/langs/dart.mjs'),
  diff: () => import('shiki/langs/diff.mjs'),
  docker: () => import('shiki/langs/docker.mjs'),
  elixir: () => import('shiki/langs/elixir.mjs'),
  go: () => import('shiki/langs/go.mjs'),
  graphql: () => import('shiki/langs/graphql.mjs'),
  haskell: () => import('shiki/langs/haskell.mjs'),
  html: () => import('shiki/langs/html.mjs'),
  ini: () => import('shiki/langs/ini.mjs'),
  java: () => import('shiki/langs/java.mjs'),
  javascript: () => import('shiki/langs/javascript.mjs'),
  json: () => import('shiki/langs/json.mjs'),
  kotlin: () => import('shiki/langs/kotlin.mjs'),
  latex: () => import('shiki/langs/latex.mjs'),
  lua: () => import('shiki/langs/lua.mjs'),
  make: () => import('shiki/langs/make.mjs'),
  markdown: () => import('shiki/langs/markdown.mjs'),
  nginx: () => import('shiki/langs/nginx.mjs'),
  php: () => import('shiki/langs/php.mjs'),
  powershell: () => import('shiki/langs/powershell.mjs'),
  python: () => import('shiki/langs/python.mjs'),
  r: () => import('shiki/langs/r.mjs'),
  ruby: () => import('shiki/langs/ruby.mjs'),
  rust: () => import('shiki/langs/rust.mjs'),
  scala: () => import('shiki/langs/scala.mjs'),
  shellsession: () => import('shiki/langs/shellsession.mjs'),
  sql: () => import('shiki/langs/sql.mjs'),
  swift: () => import('shiki/langs/swift.mjs'),
  terraform: () => import('shiki/langs/terraform.mjs'),
  toml: () => import('shiki/langs/toml.mjs'),
  tsx: () => import('shiki/langs/tsx.mjs'),
  typescript: () => import('shiki/langs/typescript.mjs'),
  vue: () => import('shiki/langs/vue.mjs'),
  xml: () => import('shiki/langs/xml.mjs'),
  yaml: () => import('shiki/langs/yaml.mjs'),
  zig: () => import('shiki/langs/zig.mjs'),
};

const ALIASES: Partial<Record<keyof typeof bundledLanguages, string[]>> = {
  bash: ['sh', 'shell', 'zsh'],
  cpp: ['c++'],
  csharp: ['c#', 'cs'],
  docker: ['dockerfile'],
  haskell: ['hs'],
  ini: ['properties'],
  javascript: ['js', 'cjs', 'mjs'],
  kotlin: ['kt'],
  latex: ['tex'],
  make: ['makefile'],
  markdown: ['md'],
  powershell: ['ps1'],
  python: ['py'],
  ruby: ['rb'],
  rust: ['rs'],
  shellsession: ['console'],
  terraform: ['tf'],
  tsx: ['jsx'],
  typescript: ['ts', 'cts', 'mts'],
  yaml: ['yml'],
};

export const bundledLanguagesInfo = Object.entries(ALIASES).map(([id, aliases]) => ({ id, aliases }));

export const createHighlighter = createBundledHighlighter({
  langs: bundledLanguages,
  themes: {
    'github-light-high-contrast': () => import('shiki/themes/github-light-high-contrast.mjs'),
    'github-dark-high-contrast': () => import('shiki/themes/github-dark-high-contrast.mjs'),
  },
  engine: () => createJavaScriptRegexEngine({ forgiving: true }),
});
