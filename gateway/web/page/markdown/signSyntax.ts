/** Asterisks for the parser: those in `2*3*4` and `x**2 + y**2` are signs, not emphasis. */
import type { Code, Construct, State } from 'micromark-util-types';
import { addSyntax } from './addSyntax.ts';

const ASTERISK = 42;
const BEFORE = /[a-zA-Z0-9)\]]/;
const AFTER = { 1: /[a-zA-Z0-9(]/, 2: /[0-9(]/ };

/** A remark plugin. */
export function signSyntax(this: unknown): void {
  addSyntax(this, { text: { [ASTERISK]: sign } });
}

const sign: Construct = {
  name: 'sign',
  tokenize(effects, ok, nok) {
    const before = this.previous;
    let length = 0;
    return (code) => {
      if (!matches(BEFORE, before)) return nok(code);
      effects.enter('data');
      return inSign(code);
    };

    function inSign(code: Code): State | undefined {
      if (code === ASTERISK) {
        effects.consume(code);
        length += 1;
        return inSign;
      }
      if ((length !== 1 && length !== 2) || !matches(AFTER[length], code)) return nok(code);
      effects.exit('data');
      return ok(code);
    }
  },
};

function matches(letters: RegExp, code: Code): boolean {
  return code !== null && code > 0 && letters.test(String.fromCharCode(code));
}
