/** Tables whose columns sort: up, down, and as they were written. */
import {
  Children,
  createContext,
  isValidElement,
  type ReactNode,
  useCallback,
  useContext,
  useMemo,
  useState,
} from 'react';
import { useWords } from '../words/words.ts';
import { textOf } from './textOf.ts';

interface Order {
  column: number;
  isDown: boolean;
}

interface Sorting {
  order: Order | null;
  sortBy(column: number): void;
}

const Context = createContext<Sorting>({ order: null, sortBy: () => {} });

export function SortingProvider({ children }: { children: ReactNode }) {
  const [order, setOrder] = useState<Order | null>(null);
  const sortBy = useCallback((column: number) => {
    setOrder((known) => {
      if (known?.column !== column) return { column, isDown: false };
      return known.isDown ? null : { column, isDown: true };
    });
  }, []);
  const sorting = useMemo(() => ({ order, sortBy }), [order, sortBy]);
  return <Context value={sorting}>{children}</Context>;
}

interface PartProps {
  node?: unknown;
  children?: ReactNode;
  className?: string;
}

/** A column's header: its text is the button. */
export function HeaderCell({ node: _node, className: _className, children, ...props }: PartProps) {
  const words = useWords();
  const { order, sortBy } = useContext(Context);
  const [column, setColumn] = useState(-1);
  const place = useCallback((cell: HTMLTableCellElement | null) => {
    if (cell) setColumn(cell.cellIndex);
  }, []);
  const isSorted = order?.column === column;
  const direction = isSorted ? (order?.isDown ? 'descending' : 'ascending') : undefined;
  return (
    <th {...props} ref={place} aria-sort={direction}>
      <button type="button" className="sort" title={words.sortTable} onClick={() => sortBy(column)}>
        {children}
      </button>
    </th>
  );
}

/** A table's rows, in the order asked for. */
export function Body({ node: _node, className: _className, children, ...props }: PartProps) {
  const { order } = useContext(Context);
  return <tbody {...props}>{order ? sorted(children, order) : children}</tbody>;
}

function sorted(children: ReactNode, { column, isDown }: Order): ReactNode[] {
  const rows = Children.toArray(children).filter((row) => isValidElement(row));
  const keyed = rows.map((row) => ({ row, text: cellOf(row, column) }));
  const compare = comparison(keyed.map(({ text }) => text));
  // What is empty stays last, either way.
  keyed.sort((a, b) => Number(a.text === '') - Number(b.text === '') || (isDown ? -1 : 1) * compare(a.text, b.text));
  return keyed.map(({ row }) => row);
}

function cellOf(row: ReactNode, column: number): string {
  if (!isValidElement<PartProps>(row)) return '';
  const cell = Children.toArray(row.props.children).filter((each) => isValidElement(each))[column];
  return textOf(cell).trim();
}

const NUMBER = /^[^\d+\-−.,]{0,3}\s*([+\-−]?[\d.,\s]*\d)\s*\D{0,4}$/;

/** By number where all are numbers, else as a dictionary would. */
export function comparison(texts: readonly string[]): (a: string, b: string) => number {
  const numbers = new Map(texts.filter(Boolean).map((text) => [text, numberOf(text)]));
  if ([...numbers.values()].every((number) => number !== null)) {
    return (a, b) => (numbers.get(a) ?? 0) - (numbers.get(b) ?? 0);
  }
  return new Intl.Collator(undefined, { numeric: true }).compare;
}

/** `1,200 €` -> 1200; null for what is no number. */
function numberOf(text: string): number | null {
  const digits = NUMBER.exec(text)?.[1]?.replace('−', '-').replaceAll(/[,\s]/g, '');
  const number = digits === undefined ? Number.NaN : Number(digits);
  return Number.isNaN(number) ? null : number;
}
