// @vitest-environment jsdom
import { act } from 'react';
import { createRoot } from 'react-dom/client';
import { expect, test, vi } from 'vitest';
import { Body, comparison, HeaderCell, SortingProvider } from '../markdown/SortableTable.tsx';

test('a column sorts up, down, and as it was written', async () => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  const place = document.createElement('div');
  const root = createRoot(place);
  const row = (name: string, price: string) => (
    <tr key={name}>
      <td>{name}</td>
      <td>{price}</td>
    </tr>
  );
  await act(async () =>
    root.render(
      <table>
        <SortingProvider>
          <thead>
            <tr>
              <HeaderCell>Name</HeaderCell>
              <HeaderCell>Price</HeaderCell>
            </tr>
          </thead>
          <Body>{[row('b', '1,200 €'), row('c', ''), row('a', '90 €'), row('ä10', '€ 5')]}</Body>
        </SortingProvider>
      </table>,
    ),
  );
  const names = () => [...place.querySelectorAll('td:first-child')].map((cell) => cell.textContent).join();
  const [name, price] = place.querySelectorAll('button');
  const click = (button: HTMLButtonElement | undefined) => act(async () => button?.click());
  await click(price);
  expect(names()).toBe('ä10,a,b,c');
  expect(place.querySelectorAll('th')[1]?.getAttribute('aria-sort')).toBe('ascending');
  await click(price);
  expect(names()).toBe('b,a,ä10,c');
  await click(price);
  expect(names()).toBe('b,c,a,ä10');
  await click(name);
  expect(names()).toBe('a,ä10,b,c');
});

test.each([
  [['10', '9', '-1'], '-1,9,10'],
  [['v10', 'v9'], 'v9,v10'],
  [['1.5%', '0.25%'], '0.25%,1.5%'],
  [['2024-01-02', '2023-12-31'], '2023-12-31,2024-01-02'],
  [['1', 'one'], '1,one'],
])('%j', (texts, wanted) => {
  expect([...texts].sort(comparison(texts)).join()).toBe(wanted);
});
