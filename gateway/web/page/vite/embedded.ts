/** Makes the page's styles fit for a chat inside another page: they reach nothing that is not below `.headrace`. */
import { basename, dirname } from 'node:path';
import type { Plugin as PostcssPlugin, Rule } from 'postcss';
import type { Plugin } from 'vite';

const ROOT = '.headrace';

/** For PostCSS: what is said of the whole page is said of the chat, everything else of what is in it. */
export function embedded(): PostcssPlugin {
  return {
    postcssPlugin: 'headrace:embedded',
    OnceExit(root) {
      const animations = new Set<string>();
      root.walkAtRules('keyframes', (frames) => {
        if (!isOurs(frames)) return;
        animations.add(frames.params);
        frames.params = `headrace-${frames.params}`;
      });
      root.walkRules((rule) => {
        const { parent } = rule;
        if (!isOurs(rule) || (parent?.type === 'atrule' && (parent as { name?: string }).name === 'keyframes')) return;
        const selectors = rule.selectors.flatMap(below);
        if (selectors.length > 0) rule.selectors = selectors;
        else rule.remove();
      });
      root.walkDecls(/^animation(-name)?$/, (declaration) => {
        if (!isOurs(declaration)) return;
        declaration.value = declaration.value.replace(/[a-z-]+/g, (name) =>
          animations.has(name) ? `headrace-${name}` : name,
        );
      });
    },
  };
}

function isOurs(node: Pick<Rule, 'source'>): boolean {
  return basename(dirname(node.source?.input.file ?? '')) === 'styles';
}

function below(selector: string): string[] {
  if (/^(html|body)\b/.test(selector)) return [];
  if (selector.startsWith(':root')) return [ROOT + selector.slice(':root'.length)];
  return selector.startsWith('*') ? [`${ROOT}${selector.slice(1)}`, `${ROOT} ${selector}`] : [`${ROOT} ${selector}`];
}

/** KaTeX's fonts as files of their own, in the one format that every browser takes which can run the rest. */
export function katexFonts(): Plugin {
  return {
    name: 'headrace:katex-fonts',
    enforce: 'pre',
    transform(code, id) {
      if (!id.includes('katex.min.css')) return;
      return code
        .replace(/,url\([^)]*\.(?:woff|ttf)\) format\("[a-z]+"\)/g, '')
        .replace(/url\(([^)]*\.woff2)\)/g, 'url($1?no-inline)');
    },
  };
}
