// The element <rejoin-timeline>: places, filters, keys, and the details of the selected row.
(() => {
  'use strict';

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

  const lanesOf = (row) => row.dataset.lanes?.split(' ').map(Number) ?? [];
  const button = (row) => row.querySelector('button');
  const time = (row) => row.querySelector('th');
  /** The title of a part that opens, without what is counted in it. */
  const titleOf = (part) => part.querySelector('summary').textContent.split(':')[0];
  /** What tells a control of the filters from the others: a box by what it shows. */
  const nameOf = (control) => (control.type === 'checkbox' ? control.value : control.type);

  /** The time of day; nothing for a time that no calendar has. */
  function clock(millis) {
    const at = new Date(Math.round(millis));
    return Number.isNaN(at.getTime()) ? '' : ` (${at.toISOString().replace('T', ' ').replace('Z', ' UTC')})`;
  }

  class Timeline extends HTMLElement {
    connectedCallback() {
      if (this.rows) return;
      const all = (what) => [...this.querySelectorAll(what)];
      this.rows = all('tbody tr[data-kind]');
      this.pauses = all('tbody tr.pause');
      this.names = all('.names span');
      this.kinds = all('fieldset input');
      this.marks = all('.overview a');
      this.table = this.querySelector('table');
      this.lane = this.querySelector('select');
      this.words = this.querySelector('input[type="search"]');
      // A policy for a page may forbid styles in its text; a script may set them.
      for (const placed of all('[data-left]')) {
        placed.style.left = `${placed.dataset.left}%`;
        if (placed.dataset.width) placed.style.width = `${placed.dataset.width}%`;
      }
      for (const row of this.rows) {
        row.addEventListener('mouseenter', () => {
          if (!this.table.contains(document.activeElement)) this.tell(row);
        });
        button(row).addEventListener('click', () => button(row).focus());
        button(row).addEventListener('focus', () => {
          this.enter(row);
          this.tell(row);
        });
      }
      this.table.addEventListener('keydown', (event) => this.go(event));
      const form = this.querySelector('form');
      form.addEventListener('input', () => this.filter());
      form.addEventListener('submit', (event) => event.preventDefault());
      this.querySelector('.overview').addEventListener('click', (event) => this.find(event));
      this.filter();
    }

    /** What the reader has set, and where they are, for the timeline that takes the place of this one. */
    state() {
      const here = document.activeElement;
      return {
        off: this.kinds.filter((box) => !box.checked).map((box) => box.value),
        lane: this.lane.selectedOptions[0]?.text,
        words: this.words.value,
        control: this.querySelector('form').contains(here) ? nameOf(here) : undefined,
        caret: this.words.selectionEnd,
        entered: this.table.contains(here) ? here.closest('tr')?.textContent : undefined,
        told: this.told?.textContent,
        open: [...this.querySelectorAll('details[open]')].map(titleOf),
      };
    }

    /** Goes on where the reader was. */
    resume({ off, lane, words, control, caret, entered, told, open }) {
      for (const part of this.querySelectorAll('details')) part.open = open.includes(titleOf(part));
      for (const box of this.kinds) box.checked = !off.includes(box.value);
      for (const option of this.lane.options) option.selected = option.text === lane;
      this.words.value = words;
      this.filter();
      const row = (text) => text && this.rows.find((it) => it.textContent === text);
      if (row(told)) this.tell(row(told));
      const controls = [...this.kinds, this.lane, this.words];
      const here = row(entered) ? button(row(entered)) : controls.find((it) => nameOf(it) === control);
      here?.focus({ preventScroll: true });
      if (here === this.words) this.words.setSelectionRange(caret, caret);
    }

    tell(row) {
      this.told = row;
      const [who, what, more] = button(row).querySelectorAll('span');
      const at = this.dataset.began ? clock(Number(this.dataset.began) + 1000 * time(row).textContent) : '';
      const running = row.dataset.faults ? `Goes wrong now: ${row.dataset.faults}` : '';
      this.querySelector('.detail-head').textContent =
        `${time(row).textContent} s${at}  ${who.textContent.replace(/: $/, '')}`;
      this.querySelector('.detail-faults').textContent = running;
      this.querySelector('pre').textContent =
        readable(what.textContent) + (more ? `\n${more.textContent}` : '');
    }

    /** Is whose lane this is named in it? Customer 1 is not customer 12. */
    isNamed(row, lane) {
      const name = this.names[lane].textContent.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
      return new RegExp(`${name}(?!\\d)`).test(row.textContent);
    }

    filter() {
      const kinds = new Set(this.kinds.filter((box) => box.checked).map((box) => box.value));
      const [lane, words] = [this.lane.value, this.words.value.toLowerCase()];
      let shown = 0;
      for (const row of this.rows) {
        const here =
          !lane || !row.dataset.lanes || lanesOf(row).includes(Number(lane)) || this.isNamed(row, lane);
        row.hidden = !(kinds.has(row.dataset.kind) && here && row.textContent.toLowerCase().includes(words));
        shown += row.hidden ? 0 : 1;
      }
      // Between rows that are not there it is not known whether nothing happens.
      for (const pause of this.pauses) pause.hidden = shown < this.rows.length;
      this.querySelector('output').textContent = `${shown} of ${this.rows.length}`;
      this.place();
      this.enter(this.rows.find((row) => !row.hidden));
    }

    /** Lanes in which nothing is shown are left out. */
    place() {
      const shown = new Set(this.rows.flatMap((row) => (row.hidden ? [] : lanesOf(row))));
      const left = this.names.map((_, lane) => lane).filter((lane) => shown.size === 0 || shown.has(lane));
      this.names.forEach((name, lane) => (name.hidden = !left.includes(lane)));
      this.table.classList.toggle('many', left.length > 12);
      this.table.style.setProperty('--lanes', left.length);
      let before = '';
      for (const row of this.rows.filter((row) => !row.hidden)) {
        time(row).classList.toggle('same', time(row).textContent === before);
        before = time(row).textContent;
        const places = lanesOf(row).map((lane) => left.indexOf(lane));
        if (places.length === 0) continue;
        const [low, high] = [Math.min(...places), Math.max(...places)];
        const { style } = row.querySelector('td');
        style.setProperty('--low', low);
        style.setProperty('--high', high);
        // The text begins or ends where the row does, on the side with more room.
        row.classList.toggle('before', low + high + 1 > left.length);
      }
    }

    /** One row is where the tab key goes; the arrow keys go on from there. */
    enter(row) {
      for (const other of this.table.querySelectorAll('button[tabindex="0"]')) other.tabIndex = -1;
      if (row) button(row).tabIndex = 0;
    }

    go(event) {
      const shown = this.rows.filter((row) => !row.hidden);
      const at = shown.indexOf(event.target.closest('tr'));
      const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
      if (at >= 0 && shown[next]) {
        event.preventDefault();
        button(shown[next]).focus();
      }
    }

    /** The overview leads to what is nearest. */
    find(event) {
      const away = (mark) => {
        const box = mark.getBoundingClientRect();
        return Math.hypot(box.x - event.clientX, (box.y + box.height / 2 - event.clientY) / 4);
      };
      const nearest = this.marks.reduce(
        (best, mark) => (best && away(best) <= away(mark) ? best : mark),
        null,
      );
      const row = nearest && this.rows[nearest.dataset.row];
      if (row) {
        button(row).scrollIntoView({ block: 'center' });
        button(row).focus();
      }
    }
  }

  customElements.define('rejoin-timeline', Timeline);
})();
