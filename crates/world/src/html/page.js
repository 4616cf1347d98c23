// The page of a timeline: filters, keys, and the details of the selected row.
const rows = [...document.querySelectorAll('tbody tr[data-kind]')];
const pauses = [...document.querySelectorAll('tbody tr.pause')];
const [head, text, faults] = ['detail-head', 'detail-text', 'detail-faults'].map((id) =>
  document.getElementById(id),
);
const filter = document.getElementById('filter');
const table = document.querySelector('table');
const names = [...table.querySelectorAll('.names span')];
const lanesOf = (row) => row.dataset.lanes?.split(' ').map(Number) ?? [];
const button = (row) => row.querySelector('button');

/** JSON is set on several lines, and a form with one field on each; everything else stays as it is. */
function readable(said) {
  const begin = said.search(/[[{]/);
  try {
    if (/%[0-9A-F]{2}/.test(said)) return decodeURIComponent(said.replace(/\+/g, ' ').replace(/&/g, '\n'));
    return begin < 0 ? said : said.slice(0, begin) + JSON.stringify(JSON.parse(said.slice(begin)), null, 2);
  } catch {
    return said;
  }
}

function tell(row) {
  const [who, what] = button(row).querySelectorAll('span');
  head.textContent = `${row.querySelector('th').textContent} s  ${who.textContent.replace(/: $/, '')}`;
  text.textContent = readable(what.textContent);
  faults.textContent = row.dataset.faults ? `Goes wrong now: ${row.dataset.faults}` : '';
}

/** Is whose lane this is named in it? Customer 1 is not customer 12. */
const isNamed = (row, lane) => new RegExp(`${names[lane].textContent}(?!\\d)`).test(row.textContent);

/** Lanes in which nothing is shown are left out. */
function draw() {
  const shown = new Set(rows.flatMap((row) => (row.hidden ? [] : lanesOf(row))));
  const left = names.map((_, lane) => lane).filter((lane) => shown.size === 0 || shown.has(lane));
  names.forEach((name, lane) => (name.hidden = !left.includes(lane)));
  table.classList.toggle('many', left.length > 12);
  table.style.setProperty('--lanes', left.length);
  let before = '';
  for (const row of rows.filter((row) => !row.hidden)) {
    const time = row.querySelector('th');
    time.classList.toggle('same', time.textContent === before);
    before = time.textContent;
    const places = lanesOf(row).map((lane) => left.indexOf(lane));
    if (places.length === 0) continue;
    const [low, high] = [Math.min(...places), Math.max(...places)];
    const style = row.querySelector('td').style;
    style.setProperty('--low', low);
    style.setProperty('--high', high);
    row.classList.toggle('before', low + high + 1 > left.length);
  }
}

function show() {
  const kinds = new Set([...filter.querySelectorAll(':checked')].map((box) => box.value));
  const [lane, words] = [
    document.getElementById('lane').value,
    document.getElementById('search').value.toLowerCase(),
  ];
  let shown = 0;
  for (const row of rows) {
    const here = !lane || !row.dataset.lanes || lanesOf(row).includes(Number(lane)) || isNamed(row, lane);
    row.hidden = !(kinds.has(row.dataset.kind) && here && row.textContent.toLowerCase().includes(words));
    shown += row.hidden ? 0 : 1;
  }
  // Between rows that are not there it is not known whether nothing happens.
  for (const pause of pauses) pause.hidden = shown < rows.length;
  document.getElementById('count').textContent = `${shown} of ${rows.length}`;
  draw();
  enter(rows.find((row) => !row.hidden));
}

/** One row is where the tab key goes; the arrow keys go on from there. */
function enter(row) {
  for (const other of document.querySelectorAll('tbody button[tabindex="0"]')) other.tabIndex = -1;
  if (row) button(row).tabIndex = 0;
}

document.querySelector('tbody').addEventListener('keydown', (event) => {
  const shown = rows.filter((row) => !row.hidden);
  const at = shown.indexOf(event.target.closest('tr'));
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
  if (shown[next]) {
    event.preventDefault();
    button(shown[next]).focus();
  }
});
for (const row of rows) {
  row.addEventListener('mouseenter', () => {
    if (!document.activeElement.closest('tbody')) tell(row);
  });
  button(row).addEventListener('click', () => button(row).focus());
  button(row).addEventListener('focus', () => {
    enter(row);
    tell(row);
  });
}
filter.addEventListener('input', show);
filter.addEventListener('submit', (event) => event.preventDefault());

// The overview leads to what is nearest.
document.querySelector('.overview')?.addEventListener('click', (event) => {
  const away = (mark) => {
    const box = mark.getBoundingClientRect();
    return Math.hypot(box.x - event.clientX, (box.y + box.height / 2 - event.clientY) / 4);
  };
  const marks = [...document.querySelectorAll('.overview a')];
  const nearest = marks.reduce((best, mark) => (best && away(best) <= away(mark) ? best : mark), null);
  const found = nearest && document.getElementById(`row${nearest.dataset.row}`);
  if (found) {
    found.scrollIntoView({ block: 'center' });
    found.focus();
  }
});
show();
