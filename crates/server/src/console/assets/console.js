// Makes the view "Now" live. Without it the page works, and is as old as its last reload.
'use strict';
(() => {
  const state = document.getElementById('state');
  if (!state || !window.EventSource) return;
  const byId = (id) => document.getElementById(id);
  const [asOf, mode, button, summary] = ['as-of', 'mode', 'pause', 'summary'].map(byId);
  const say = state.dataset;
  // The server sends something every two seconds, in milliseconds. A connection that is silent for longer may be half open.
  const SILENT = 9000;
  // Pause before another attempt after a refusal, in milliseconds.
  const PAUSE = 3000;

  let source = null;
  let paused = false;
  let heard = Date.now();
  let tried = 0;
  let again = 0;

  const fill = (text, gaps) => text.replace(/{(\w+)}/g, (_, name) => gaps[name] ?? '');
  const write = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const tell = (text, bad) => {
    write(mode, text);
    state.classList.toggle('bad', bad);
  };

  /** Changes in a section what is new. The rest stays: what has the focus, is selected, or is just being clicked. */
  const update = ({ id, html }) => {
    const before = byId(id);
    if (!before) return;
    const timeline = before.querySelector('rejoin-timeline');
    if (!timeline) return Idiomorph.morph(before, html);
    // Its script has placed its rows, and places those of a new one as a whole. Without that script there is no state.
    const state = timeline.state?.();
    before.outerHTML = html;
    if (state) byId(id).querySelector('rejoin-timeline')?.resume(state);
  };

  const close = () => {
    clearTimeout(again);
    source?.close();
    source = null;
  };
  const open = () => {
    close();
    tried = Date.now();
    source = new EventSource(say.events);
    source.addEventListener('now', ({ data }) => {
      const now = JSON.parse(data);
      heard = Date.now();
      now.sections.forEach(update);
      write(summary, now.summary);
      write(asOf, fill(asOf.dataset.text, { time: now.time }));
      tell(say.live, false);
    });
    source.addEventListener('ended', over);
    source.addEventListener('error', () => {
      tell(say.broken, true);
      // The browser tries again by itself, except after a refusal.
      if (source?.readyState === EventSource.CLOSED) again = setTimeout(refused, PAUSE);
    });
  };
  /** The session is over: the server shows the form to sign in. */
  const over = () => {
    close();
    tell(say.ended, true);
    location.reload();
  };
  const refused = () =>
    fetch(location.href, { method: 'HEAD' }).then(
      ({ status }) => (paused ? undefined : status === 401 ? over() : open()),
      () => (paused ? undefined : open()),
    );

  setInterval(() => {
    const silent = Date.now() - heard;
    if (!source || silent < SILENT) return;
    tell(say.old, true);
    if (Date.now() - tried >= SILENT) open();
  }, 1000);

  button.addEventListener('click', () => {
    paused = !paused;
    write(button, paused ? say.resume : say.pause);
    if (paused) {
      close();
      tell(say.paused, false);
    } else {
      heard = Date.now();
      open();
    }
  });
  // A page that comes back from the browser's cache has no connection any more.
  addEventListener('pageshow', ({ persisted }) => persisted && !paused && open());

  document.querySelector('.no-script').hidden = true;
  button.hidden = false;
  open();
})();
