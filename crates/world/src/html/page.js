// The page of a timeline: what is shown, and what is told of the row that is looked at.
const rows = [...document.querySelectorAll('tbody tr[data-kind]')];
const pauses = [...document.querySelectorAll('tbody tr.pause')];
const [detail, head, text, faults] = ['detail', 'detail-head', 'detail-text', 'detail-faults'].map((id) =>
  document.getElementById(id),
);
const filter = document.getElementById('filter');
const button = (row) => row.querySelector('button');

/** JSON is set on several lines; everything else stays as it is. */
function readable(said) {
  const begin = said.search(/[[{]/);
  if (begin < 0) return said;
  try {
    return said.slice(0, begin) + JSON.stringify(JSON.parse(said.slice(begin)), null, 2);
  } catch {
    return said;
  }
}

function tell(row) {
  const [who, what] = button(row).querySelectorAll('span');
  head.textContent = `${row.querySelector('th').textContent} s  ${who.textContent.replace(/: $/, '')}`;
  text.textContent = readable(what.textContent);
  faults.textContent = row.dataset.faults ? `Goes wrong now: ${row.dataset.faults}` : '';
  detail.hidden = false;
}

function show() {
  const kinds = new Set([...filter.querySelectorAll(':checked')].map((box) => box.value));
  const [lane, words] = [
    document.getElementById('lane').value,
    document.getElementById('search').value.toLowerCase(),
  ];
  let shown = 0;
  for (const row of rows) {
    const here = !lane || !row.dataset.lanes || row.dataset.lanes.split(' ').includes(lane);
    row.hidden = !(kinds.has(row.dataset.kind) && here && row.textContent.toLowerCase().includes(words));
    shown += row.hidden ? 0 : 1;
  }
  // Between rows that are not there it is not known whether nothing happens.
  for (const pause of pauses) pause.hidden = shown < rows.length;
  document.getElementById('count').textContent = `${shown} of ${rows.length}`;
  enter(rows.find((row) => !row.hidden));
}

/** One row is where the tab key goes; the arrow keys go on from there. */
function enter(row) {
  for (const other of document.querySelectorAll('tbody button[tabindex="0"]')) other.tabIndex = -1;
  if (row) button(row).tabIndex = 0;
}

document.querySelector('tbody').addEventListener('keydown', (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const shown = rows.filter((row) => !row.hidden);
  const next = shown[shown.indexOf(event.target.closest('tr')) + step];
  if (next) {
    event.preventDefault();
    button(next).focus();
  }
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') detail.hidden = true;
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
