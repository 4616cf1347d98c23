// Redirects Flex's requests to Twilio's hosts to the page's own origin, as /__tw/<host>/<path>. Any browser can so open
// the desktop, without flags, certificates or a changed Flex. Other addresses are left alone.
(() => {
  const twilio =
    /^(https?|wss?):\/\/((?:[a-z0-9-]+\.)*(?:twilio\.com|twiliocdn\.com|twil\.io|ytica\.com|segment\.io|segment\.com|datadoghq\.com))(?::\d+)?(\/.*)?$/i;
  const secure = location.protocol === 'https:';

  const mapped = (address) => {
    const found = twilio.exec(String(address));
    if (!found) return address;
    const [, scheme, host, path = '/'] = found;
    const socket = /^ws/i.test(scheme);
    const own = socket ? (secure ? 'wss' : 'ws') : secure ? 'https' : 'http';
    return `${own}://${location.host}/__tw/${host}${path}`;
  };

  const fetch = window.fetch;
  window.fetch = (input, options) => {
    if (input instanceof Request) {
      const address = mapped(input.url);
      return fetch(address === input.url ? input : new Request(address, input), options);
    }
    return fetch(mapped(input), options);
  };

  const open = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, address, ...rest) {
    return open.call(this, method, mapped(address), ...rest);
  };

  const Socket = window.WebSocket;
  window.WebSocket = class WebSocket extends Socket {
    constructor(address, protocols) {
      super(mapped(address), protocols);
    }
  };

  const beacon = navigator.sendBeacon.bind(navigator);
  navigator.sendBeacon = (address, data) => beacon(mapped(address), data);

  for (const [element, name] of [
    [HTMLMediaElement, 'src'],
    [HTMLImageElement, 'src'],
    [HTMLScriptElement, 'src'],
    [HTMLLinkElement, 'href'],
  ]) {
    const property = Object.getOwnPropertyDescriptor(element.prototype, name);
    Object.defineProperty(element.prototype, name, {
      ...property,
      set(value) {
        property.set.call(this, mapped(value));
      },
    });
  }

  const setAttribute = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    return setAttribute.call(this, name, /^(src|href)$/i.test(name) ? mapped(value) : value);
  };

  const Sound = window.Audio;
  window.Audio = class Audio extends Sound {
    constructor(address) {
      super(address === undefined ? address : mapped(address));
    }
  };
})();
