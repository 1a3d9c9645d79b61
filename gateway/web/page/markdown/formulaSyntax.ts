/** Formulas for the parser, which knows where code, links and escapes are. The marks are those of `formulas.ts`. */
import type { Code, Construct, State, TokenType } from 'micromark-util-types';
import { addSyntax } from './addSyntax.ts';
import { displayFormulas, isFormula, type Marks } from './formulas.ts';

const BACKSLASH = 92;
const DOLLAR = 36;
const PARENTHESIS = 40;
const BRACKET = 91;
/** The last letter of what closes a formula. */
const CLOSING: Record<Marks, number> = { '(': 41, '[': 93, $: DOLLAR, $$: DOLLAR };

// Those that remark-math makes formulas of.
const token = (name: string) => name as TokenType;
const FLOW = token('mathFlow');
const FLOW_FENCE = token('mathFlowFence');
const FLOW_SEQUENCE = token('mathFlowFenceSequence');
const FLOW_VALUE = token('mathFlowValue');
const TEXT = token('mathText');
const TEXT_SEQUENCE = token('mathTextSequence');
const TEXT_DATA = token('mathTextData');

const isEnd = (code: Code) => code === null || code < -2;
const isSpace = (code: Code) => code === 32 || code === -1 || code === -2;
const isWord = (code: Code) => code !== null && /\w/.test(String.fromCharCode(code));

/** Where display formulas begin in the document that is being parsed. */
let displays: ReadonlyMap<number, number> = new Map();

interface Parsing {
  parser?: ((document: string, file: never) => unknown) | undefined;
}

/** A remark plugin, to be used after remark-math, whose own syntax it takes the place of. */
export function formulaSyntax(this: unknown): void {
  const self = this as Parsing;
  addSyntax(self, {
    disable: { null: ['mathFlow', 'mathText'] },
    flow: { [BACKSLASH]: display, [DOLLAR]: display },
    text: { [BACKSLASH]: inline, [DOLLAR]: inline },
  });
  const parse = self.parser;
  if (!parse) throw new Error('formulaSyntax has no parser to add to');
  self.parser = (document, file) => {
    displays = displayFormulas(document);
    return parse(document, file);
  };
}

/** Within text; its end is looked for in the paragraph. */
const inline: Construct = {
  name: 'inlineFormula',
  tokenize(effects, ok, nok) {
    const self = this;
    let marks: Marks;
    let contentStart = self.now();
    /** The letter before, where it is not half of an escape. */
    let last: Code = null;
    const closing: Construct = { tokenize: tokenizeClosing, partial: true };
    return start;

    function start(code: Code): State | undefined {
      if (code === DOLLAR && (self.previous === DOLLAR || isWord(self.previous))) return nok(code);
      effects.enter(TEXT);
      effects.enter(TEXT_SEQUENCE);
      effects.consume(code);
      return code === DOLLAR ? secondDollar : bracket;
    }

    function bracket(code: Code): State | undefined {
      if (code !== PARENTHESIS && code !== BRACKET) return nok(code);
      marks = code === PARENTHESIS ? '(' : '[';
      effects.consume(code);
      return opened;
    }

    function secondDollar(code: Code): State | undefined {
      marks = code === DOLLAR ? '$$' : '$';
      if (marks === '$') return opened(code);
      effects.consume(code);
      return opened;
    }

    function opened(code: Code): State | undefined {
      if ((marks === '$$' && code === DOLLAR) || (marks === '$' && isSpace(code))) return nok(code);
      effects.exit(TEXT_SEQUENCE);
      contentStart = self.now();
      return between(code);
    }

    function between(code: Code): State | undefined {
      if (code === null || (marks === '$' && isEnd(code))) return nok(code);
      if (isEnd(code)) {
        effects.enter('lineEnding');
        effects.consume(code);
        effects.exit('lineEnding');
        last = code;
        return between;
      }
      const mayClose = code === (CLOSING[marks] === DOLLAR ? DOLLAR : BACKSLASH);
      return mayClose ? effects.attempt(closing, closed, data)(code) : data(code);
    }

    function data(code: Code): State | undefined {
      if (code === DOLLAR && marks === '$') return nok(code);
      effects.enter(TEXT_DATA);
      return letter(code);
    }

    function letter(code: Code): State | undefined {
      effects.consume(code);
      last = code;
      return code === BACKSLASH ? afterBackslash : next;
    }

    function afterBackslash(code: Code): State | undefined {
      if (isEnd(code)) return next(code);
      effects.consume(code);
      last = BACKSLASH;
      return next;
    }

    function next(code: Code): State | undefined {
      if (!isEnd(code) && code !== BACKSLASH && code !== DOLLAR) return letter(code);
      effects.exit(TEXT_DATA);
      return between(code);
    }

    function closed(code: Code): State | undefined {
      const content = self.sliceSerialize({ start: contentStart, end: self.now() });
      if (!isFormula(marks, content.slice(0, marks === '$' ? -1 : -2))) return nok(code);
      effects.exit(TEXT);
      return ok(code);
    }

    function tokenizeClosing(...[, isClosed, isOpen]: Parameters<Construct['tokenize']>): State {
      return (code) => {
        effects.enter(TEXT_SEQUENCE);
        effects.consume(code);
        return marks === '$' ? after : second;
      };

      function second(code: Code): State | undefined {
        if (code !== CLOSING[marks]) return isOpen(code);
        effects.consume(code);
        return after;
      }

      function after(code: Code): State | undefined {
        const isMoney = marks === '$' && (isSpace(last) || isWord(code));
        if (isMoney || (CLOSING[marks] === DOLLAR && code === DOLLAR)) return isOpen(code);
        effects.exit(TEXT_SEQUENCE);
        return isClosed(code);
      }
    }
  },
};

/** With lines of its own. That it has an end is known before: nothing could be taken back after a line's end. */
const display: Construct = {
  name: 'displayFormula',
  concrete: true,
  tokenize(effects, ok, nok) {
    const self = this;
    let first: Code = null;
    let lastLine = 0;
    const closing: Construct = { tokenize: tokenizeClosing, partial: true };
    return start;

    function start(code: Code): State | undefined {
      const line = displays.get(self.now().line);
      if (line === undefined) return nok(code);
      lastLine = line;
      first = code;
      effects.enter(FLOW);
      effects.enter(FLOW_FENCE);
      effects.enter(FLOW_SEQUENCE);
      effects.consume(code);
      return second;
    }

    function second(code: Code): State | undefined {
      if (code !== (first === DOLLAR ? DOLLAR : BRACKET)) return nok(code);
      effects.consume(code);
      effects.exit(FLOW_SEQUENCE);
      effects.exit(FLOW_FENCE);
      return self.interrupt ? ok : content;
    }

    function content(code: Code): State | undefined {
      if (code === null) return end(code);
      if (isEnd(code)) return effects.attempt(nextLine, content, end)(code);
      return code === first ? effects.attempt(closing, end, value)(code) : value(code);
    }

    function value(code: Code): State | undefined {
      effects.enter(FLOW_VALUE);
      return letter(code);
    }

    function letter(code: Code): State | undefined {
      effects.consume(code);
      return code === BACKSLASH ? afterBackslash : next;
    }

    function afterBackslash(code: Code): State | undefined {
      if (isEnd(code)) return next(code);
      effects.consume(code);
      return next;
    }

    function next(code: Code): State | undefined {
      if (!isEnd(code) && code !== first) return letter(code);
      effects.exit(FLOW_VALUE);
      return content(code);
    }

    function end(code: Code): State | undefined {
      effects.exit(FLOW);
      return ok(code);
    }

    function tokenizeClosing(...[, isClosed, isOpen]: Parameters<Construct['tokenize']>): State {
      return (code) => {
        if (self.now().line !== lastLine) return isOpen(code);
        effects.enter(FLOW_FENCE);
        effects.enter(FLOW_SEQUENCE);
        effects.consume(code);
        return mark;
      };

      function mark(code: Code): State | undefined {
        if (code !== (first === DOLLAR ? DOLLAR : 93)) return isOpen(code);
        effects.consume(code);
        effects.exit(FLOW_SEQUENCE);
        return spaces;
      }

      function spaces(code: Code): State | undefined {
        if (isSpace(code)) {
          effects.enter('whitespace');
          effects.consume(code);
          effects.exit('whitespace');
          return spaces;
        }
        if (!isEnd(code)) return isOpen(code);
        effects.exit(FLOW_FENCE);
        return isClosed(code);
      }
    }
  },
};

/** A line that a list or quote does not end before. */
const nextLine: Construct = {
  partial: true,
  tokenize(effects, ok, nok) {
    return (code) => {
      effects.enter('lineEnding');
      effects.consume(code);
      effects.exit('lineEnding');
      return (begun) => (this.parser.lazy[this.now().line] ? nok(begun) : ok(begun));
    };
  },
};
