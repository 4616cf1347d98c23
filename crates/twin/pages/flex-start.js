// Starts the desktop. Tests wait for window.__flexReady or window.__flexError.
(() => {
  const container = document.getElementById('container');
  const failed = (reason) => {
    window.__flexError = String((reason && reason.stack) || reason);
    console.error('Flex did not start:', window.__flexError);
  };
  if (!window.Twilio || !window.Twilio.Flex) {
    const message =
      'The Flex bundle is missing. Make it with `node scripts/flex-host.mjs`, start the twin with --flex-host target/flex-host, and reload.';
    container.textContent = message;
    failed(message);
    return;
  }
  const { Flex } = window.Twilio;
  Flex.progress('#container');
  Flex.runDefault(window.appConfig, '#container').then(() => {
    window.__flexReady = true;
    window.__flexReadyAt = Date.now();
  }, failed);
})();
