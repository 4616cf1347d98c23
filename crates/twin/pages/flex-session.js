// What Flex's login leaves behind for the desktop: a token in localStorage["TWILIO_FLEX_SSO"].
(() => {
  const { expires, ...session } = JSON.parse(document.getElementById('session').textContent);
  const payload = { ...session, expiration: new Date(expires).toISOString() };
  localStorage.setItem('TWILIO_FLEX_SSO', JSON.stringify(payload));
  // Flex reads its configuration from this name.
  window.appConfig = {
    pluginService: { enabled: true, url: '/plugins' },
    ytica: false,
    logLevel: 'info',
    sso: { accountSid: session.accountSid },
  };
})();
