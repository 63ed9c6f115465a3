// What pages do beyond links and forms: theme, menu, chart. Everything works without it.

// Theme: a cookie, so that the server renders <html data-theme> and nothing flashes.
document.addEventListener('click', (event) => {
  if (!event.target.closest('[data-theme-toggle]')) return;
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme:dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  document.cookie = `theme=${root.dataset.theme};path=/;max-age=31536000;samesite=lax`;
});

// Menu on narrow screens.
document.addEventListener('click', (event) => {
  const opener = event.target.closest('[data-open]');
  if (opener) document.getElementById(opener.dataset.open)?.showModal();
  if (event.target.closest('[data-close]') || event.target.matches('dialog')) {
    event.target.closest('dialog')?.close();
  }
});

// Chart: one stop for the tab key, arrows inside; the tooltip is read from the table row of the same day.
function startChart(figure) {
  if (figure.dataset.ready) return;
  figure.dataset.ready = '1';
  const links = [...figure.querySelectorAll('.plot a')];
  const tip = figure.querySelector('.tip');
  const table = document.getElementById(figure.dataset.table);
  if (!links.length || !table) return;
  const heads = [...table.tHead.rows[0].cells];
  links.forEach((link, i) => link.setAttribute('tabindex', i ? '-1' : '0'));

  const swatch = (series) => {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    const isLine = series === 'before';
    const shape = document.createElementNS('http://www.w3.org/2000/svg', isLine ? 'line' : 'rect');
    const size = isLine ? [['x2', 10], ['y1', 5], ['y2', 5]] : [['width', 10], ['height', 10], ['rx', 2]];
    for (const [name, value] of size) shape.setAttribute(name, value);
    svg.append(shape);
    svg.setAttribute('class', isLine ? 'sw before' : `sw s${series}`);
    svg.setAttribute('aria-hidden', 'true');
    return svg;
  };
  const show = (link) => {
    const row = document.getElementById(link.dataset.row);
    if (!row) return;
    const title = document.createElement('p');
    const list = document.createElement('dl');
    title.textContent = row.cells[0].textContent.trim();
    for (let i = row.cells.length - 1; i > 0; i--) {
      const name = document.createElement('dt');
      const value = document.createElement('dd');
      if ('total' in heads[i].dataset) name.className = value.className = 't';
      if (heads[i].dataset.series) name.append(swatch(heads[i].dataset.series));
      name.append(heads[i].textContent.trim());
      value.textContent = row.cells[i].textContent.trim();
      list.append(name, value);
    }
    tip.replaceChildren(title, list);
    tip.hidden = false;
    const frame = figure.getBoundingClientRect();
    const bar = link.getBoundingClientRect();
    let x = bar.right - frame.left + 8;
    if (x + tip.offsetWidth > frame.width - 8) x = bar.left - frame.left - tip.offsetWidth - 8;
    x = Math.max(8, Math.min(x, frame.width - tip.offsetWidth - 8));
    tip.style.transform = `translate(${x}px,${bar.top - frame.top + 4}px)`;
  };
  const hide = () => { tip.hidden = true; };
  for (const link of links) {
    link.addEventListener('pointerenter', () => show(link));
    link.addEventListener('pointerleave', hide);
    link.addEventListener('focus', () => show(link));
    link.addEventListener('blur', hide);
  }
  figure.addEventListener('keydown', (event) => {
    const i = links.indexOf(document.activeElement);
    if (i < 0) return;
    if (event.key === 'Escape') return hide();
    const next = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: links.length - 1 }[event.key];
    if (next === undefined || !links[next]) return;
    event.preventDefault();
    links[i].setAttribute('tabindex', '-1');
    links[next].setAttribute('tabindex', '0');
    links[next].focus();
  });
}
const startCharts = () => document.querySelectorAll('[data-chart]').forEach(startChart);
startCharts();
document.addEventListener('htmx:after:swap', startCharts);

// Copying a line; without scripts it is selected by hand.
for (const button of document.querySelectorAll('[data-copy]')) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.lastChild.textContent = 'Copied';
  });
}

// A failed request keeps the page as it is and says so.
document.addEventListener('htmx:response:error', () => {
  const toast = document.createElement('p');
  toast.className = 'toast error';
  toast.textContent = 'That did not work. Please try again in a moment.';
  document.getElementById('toasts').append(toast);
});
