/** HTML for the parser: only what is markup of a reply, so that what else stands in angle brackets is parsed as text. */
import { htmlFlow, htmlText } from 'micromark-core-commonmark';
import type { Code, Construct, State, TokenType } from 'micromark-util-types';
import { addSyntax } from './addSyntax.ts';
import { isElement, isTag } from './tags.ts';

const LESS_THAN = 60;
const SLASH = 47;
const NAME = 'htmlFlowData' as TokenType;

/** A remark plugin. */
export function htmlSyntax(this: unknown): void {
  addSyntax(this, {
    disable: { null: ['htmlFlow', 'htmlText'] },
    flow: { [LESS_THAN]: flow },
    text: { [LESS_THAN]: { ...text, add: 'after' } },
  });
}

const text: Construct = {
  name: 'tag',
  tokenize(effects, ok, nok) {
    const start = this.now();
    const isMarkup: State = (code) => {
      const source = this.sliceSerialize({ start, end: this.now() });
      return isTag(source) ? ok(code) : nok(code);
    };
    return htmlText.tokenize.call(this, effects, isMarkup, nok);
  },
};

const flow: Construct = {
  name: 'htmlBlock',
  concrete: true,
  ...(htmlFlow.resolveTo && { resolveTo: htmlFlow.resolveTo }),
  tokenize(effects, ok, nok) {
    return effects.check(elementName, htmlFlow.tokenize.call(this, effects, ok, nok), nok);
  },
};

/** `<` or `</` and the name of an element. */
const elementName: Construct = {
  partial: true,
  tokenize(effects, ok, nok) {
    let name = '';
    return (code) => {
      effects.enter(NAME);
      effects.consume(code);
      return afterOpening;
    };

    function afterOpening(code: Code): State | undefined {
      if (code !== SLASH) return inName(code);
      effects.consume(code);
      return inName;
    }

    function inName(code: Code): State | undefined {
      const letter = code === null || code < 0 ? '' : String.fromCharCode(code);
      if (/[a-z0-9]/i.test(letter)) {
        name += letter;
        effects.consume(code);
        return inName;
      }
      effects.exit(NAME);
      return isElement(name) && /^[\s/>]?$/.test(letter) ? ok(code) : nok(code);
    }
  },
};
