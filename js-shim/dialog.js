// @ts-check
// The blocking dialog: shows what the core says, in Flex's look. A native modal <dialog> keeps the focus inside.
import css from './dialog.css';
import { language, text } from './strings';

const MARKUP = `
<dialog role="alertdialog" aria-modal="true" aria-labelledby="title" aria-describedby="text" closedby="none" tabindex="-1">
  <svg viewBox="0 0 28 28" aria-hidden="true"><circle class="track" cx="14" cy="14" r="11.5" /><path /></svg>
  <div>
    <div aria-live="polite" aria-atomic="true"><h2 id="title"></h2><p id="text" class="text"></p></div>
    <p class="timer" role="timer" aria-live="off"></p>
  </div>
  <div class="foot"><button type="button"></button></div>
</dialog>`;

/** What each content looks like: icon, and the button if there is one. @type {Record<string, string[]>} */
const LOOKS = {
  checking: ['busy'],
  unreachable: ['told', 'continue'],
  interrupted: ['busy'],
  inPlace: ['busy'],
  reconnecting: ['busy'],
  slow: ['told', 'continue'],
  rejoined: ['done'],
  waitingForOther: ['told', 'close'],
  handedOver: ['told', 'close'],
  customerLeft: ['told', 'ok'],
  failed: ['failed', 'ok'],
};
/** @type {Record<string, string>} */
const ICONS = {
  busy: 'M14 2.5A11.5 11.5 0 0 1 25.5 14',
  told: 'M14 13v6.5M14 8.5v.01',
  done: 'm9 14.5 3.5 3.5 7-8',
  failed: 'M14 8.5V15M14 19.5v.01',
};

/** Flex's own theme where it tells, else what lies behind the dialog. @param {import('./types').Manager} manager */
const isDark = (manager) => {
  const light = manager.store?.getState().flex?.config?.theme?.isLight;
  return light === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : !light;
};

/**
 * @param {import('./types').Manager} manager
 * @param {() => void} pressed
 * @returns {import('./types').RejoinDialog}
 */
export const createDialog = (manager, pressed) => {
  /** @type {HTMLDialogElement | undefined} */
  let element;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking;
  let wanted = false;

  const build = () => {
    const host = document.createElement('rejoin-dialog');
    const root = host.attachShadow({ mode: 'open' }); // neither Flex's styles nor ours reach the other side
    root.innerHTML = MARKUP;
    const sheet = new CSSStyleSheet(); // allowed under any content security policy, unlike <style>
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
    const dialog = /** @type {HTMLDialogElement} */ (root.querySelector('dialog'));
    dialog.addEventListener('cancel', (event) => event.preventDefault());
    dialog.addEventListener('close', () => wanted && dialog.showModal()); // Esc twice gets past `cancel`
    root.querySelector('button')?.addEventListener('click', pressed);
    document.body.append(host);
    return dialog;
  };

  return {
    show(content) {
      const dialog = (element = element ?? build());
      /** @template {HTMLElement} E @param {string} selector @returns {E} */
      const part = (selector) => /** @type {E} */ (dialog.querySelector(selector));
      const [look, button] = LOOKS[content.kind];
      dialog.className = `${look} ${isDark(manager) ? 'dark' : ''}`;
      dialog.lang = language(manager);
      part('path').setAttribute('d', ICONS[look]);
      part('h2').textContent = text(manager, `${content.kind}Title`, content);
      part('.text').textContent = text(manager, content.kind, content);
      const action = part('button');
      action.hidden = !button;
      if (button) action.textContent = text(manager, button);

      clearInterval(ticking);
      const tick = () => {
        const seconds = Math.max(0, Math.ceil(((content.until ?? 0) - Date.now()) / 1000));
        part('.timer').textContent = seconds ? text(manager, 'countdown', { seconds }) : '';
      };
      tick();
      if (content.until) ticking = setInterval(tick, 1000);

      wanted = true;
      if (!dialog.open) dialog.showModal();
      (button ? action : dialog).focus();
    },
    hide() {
      wanted = false;
      clearInterval(ticking);
      element?.close();
    },
  };
};
